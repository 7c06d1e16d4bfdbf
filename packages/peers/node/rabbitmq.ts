import 'reflect-metadata'
import { Controller, Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { ClientProxyFactory, Ctx, EventPattern, type MicroserviceOptions, Payload, type RmqContext, Transport } from '@nestjs/microservices'
import { lastValueFrom } from 'rxjs'

const urls = [process.env.RABBITMQ_URL ?? '']

// #region read
@Controller()
class Orders {
  @EventPattern('order.placed')
  placed(@Payload() order: { id: number }, @Ctx() context: RmqContext) {
    const { fields } = context.getMessage() as { fields: { exchange: string } }
    console.log('GOT', fields.exchange || 'its queue', JSON.stringify(order))
  }
}
// #endregion read

@Module({ controllers: [Orders] })
class Shop {}

// #region servers
/** Its default: a queue, which clients write to through the default exchange. */
const queue = { urls, queue: 'nest-reads' }
/** A queue of its own on an exchange, which it declares. */
const exchange = { urls, exchange: 'nest-ours', exchangeType: 'fanout', queue: 'nest-of-ours' } as const
/** Reads events as Corebus writes them where no envelope is named. */
const events = {
  urls,
  exchange: 'nest-events',
  exchangeType: 'fanout',
  queue: 'nest-of-events',
  deserializer: { deserialize: (event: { name: string; data: unknown }) => ({ pattern: event.name, data: event.data }) },
} as const
// #endregion servers

for (const options of [queue, exchange, events]) {
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(Shop, { transport: Transport.RMQ, options })
  await app.listen()
}

// #region write
const toQueue = ClientProxyFactory.create({ transport: Transport.RMQ, options: { urls, queue: 'nest-writes' } })
await lastValueFrom(toQueue.emit('order.placed', { id: 1 }), { defaultValue: undefined })
// #endregion write
// #region write-ours
const ours = { urls, exchange: 'nest-writes-ours', exchangeType: 'fanout' } as const
ClientProxyFactory.create({ transport: Transport.RMQ, options: ours }).emit('order.placed', { id: 2 })
// #endregion write-ours
// #region ask
const asks = ClientProxyFactory.create({ transport: Transport.RMQ, options: { urls, queue: 'nest-asks' } })
await asks.connect()
asks.send('sum', [1, 2]).subscribe((sum) => console.log('ANSWER', sum))
// #endregion ask
console.log('READY')

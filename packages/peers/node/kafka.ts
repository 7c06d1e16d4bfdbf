import 'reflect-metadata'
import { Controller, Inject, Module, type OnApplicationBootstrap } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import {
  type ClientKafka,
  ClientsModule,
  Ctx,
  EventPattern,
  type KafkaContext,
  type MicroserviceOptions,
  Payload,
  Transport,
} from '@nestjs/microservices'

const brokers = [process.env.KAFKA_BOOTSTRAP_SERVERS ?? '']

@Controller()
class Orders implements OnApplicationBootstrap {
  constructor(@Inject('SHOP') private readonly shop: ClientKafka) {}

  // #region read
  @EventPattern('nest-reads')
  sent(@Payload() order: { id: number }, @Ctx() context: KafkaContext) {
    console.log('GOT', context.getTopic(), JSON.stringify(order))
  }

  @EventPattern('nest-reads-events')
  placed(@Payload() event: { name: string; data: { id: number } }) {
    console.log('GOT', event.name, JSON.stringify(event.data))
  }
  // #endregion read

  onApplicationBootstrap() {
    // #region write
    this.shop.emit('nest-writes', { id: 1 })
    this.shop.emit('nest-writes', { key: 'ana', value: { id: 2 }, headers: { tenant: 'acme' } })
    this.shop.emit('nest-writes-events', {
      name: 'order.placed',
      data: { id: 3 },
      timestamp: new Date().toISOString(),
      source: 'shop',
    })
    // #endregion write
  }
}

@Module({
  imports: [ClientsModule.register([{ name: 'SHOP', transport: Transport.KAFKA, options: { client: { brokers } } }])],
  controllers: [Orders],
})
class Shop {}

const app = await NestFactory.createMicroservice<MicroserviceOptions>(Shop, {
  transport: Transport.KAFKA,
  options: { client: { brokers }, consumer: { groupId: 'nest' }, subscribe: { fromBeginning: true } },
})
await app.listen()
console.log('READY')

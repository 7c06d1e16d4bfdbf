import 'reflect-metadata'
import { setTimeout as pause } from 'node:timers/promises'
import { ClientProxyFactory, Transport } from '@nestjs/microservices'
import { lastValueFrom } from 'rxjs'

const client = ClientProxyFactory.create({
  transport: Transport.RMQ,
  options: { urls: [process.env.RABBITMQ_URL ?? ''], queue: process.argv[2] ?? '' },
})
let going = true
process.once('SIGTERM', () => {
  going = false
})

let sent = 0
while (going) {
  await lastValueFrom(client.emit('order.placed', { id: ++sent }), { defaultValue: undefined })
  console.log('SENT', sent)
  await pause(4)
}
await client.close()
console.log('ALL', sent)
process.exit()

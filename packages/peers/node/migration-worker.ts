import 'reflect-metadata'
import { setTimeout as pause } from 'node:timers/promises'
import { Controller, Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { Ctx, EventPattern, type MicroserviceOptions, Payload, type RmqContext, Transport } from '@nestjs/microservices'

@Controller()
class Billing {
  @EventPattern('order.placed')
  async placed(@Payload() order: { id: number }, @Ctx() context: RmqContext) {
    console.log('BEGIN', order.id)
    await pause(60)
    console.log('DONE', order.id)
    context.getChannelRef().ack(context.getMessage())
  }
}

@Module({ controllers: [Billing] })
class Shop {}

const app = await NestFactory.createMicroservice<MicroserviceOptions>(Shop, {
  transport: Transport.RMQ,
  options: { urls: [process.env.RABBITMQ_URL ?? ''], queue: process.argv[2] ?? '', noAck: false, prefetchCount: 10 },
})
app.enableShutdownHooks()
await app.listen()
console.log('READY')

import 'reflect-metadata'
import { randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { createMessaging, defineEvent } from '@corebus/core'
import { NestFactory } from '@nestjs/core'
import { EventPattern, Server } from '@nestjs/microservices'
import pino from 'pino'
import { z } from 'zod'
import type { Comparison, Contestant } from './measure.ts'
import { eventBody, Order } from './payload.ts'

const OrderCreated = defineEvent('order.created', Order, { topic: 'orders', key: 'order_id' })
const Envelope = z.object({ name: z.string(), data: Order, timestamp: z.string(), source: z.string() })
const logger = pino({ level: 'silent' })

/** The runtime on the memory driver: decode, validate, session, settle. */
function corebus(bodies: readonly Uint8Array[]): Contestant {
  return {
    name: 'corebus, memory driver',
    async run() {
      const messaging = createMessaging({
        broker: 'memory',
        url: `memory://${randomUUID()}`,
        service: 'bench',
        logger,
        session: (work) => work({}),
        env: {},
      })
      let handled = 0
      let done: () => void = () => {}
      const all = new Promise<void>((resolve) => {
        done = resolve
      })
      messaging.on(OrderCreated, { group: 'bench' }, ({ data }) => {
        if (data.total > 0 && ++handled === bodies.length) done()
      })
      const driver = await messaging.driver()
      await driver.ensure({ topics: ['orders'], groups: [] }, 'create')
      for (let i = 0; i < bodies.length; i += 1_000)
        await driver.publish(
          bodies.slice(i, i + 1_000).map((body, n) => ({ id: `${i + n}`, topic: 'orders', key: `${i + n}`, headers: {}, body })),
        )
      const startedAt = performance.now()
      await messaging.start()
      await all
      const ms = performance.now() - startedAt
      await messaging.close()
      return ms
    },
  }
}

function decodeAndValidate(bodies: readonly Uint8Array[]): Contestant {
  return {
    name: 'decode + validate alone',
    async run() {
      let handled = 0
      const startedAt = performance.now()
      for (const body of bodies) {
        const { data } = Envelope.parse(JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString()))
        if (data.total > 0) handled++
      }
      const ms = performance.now() - startedAt
      if (handled !== bodies.length) throw new Error('not all handled')
      return ms
    },
  }
}

function eventEmitter(bodies: readonly Uint8Array[]): Contestant {
  return {
    name: 'EventEmitter, decode + validate in the listener',
    async run() {
      let handled = 0
      const emitter = new EventEmitter()
      emitter.on('order.created', (body: Uint8Array) => {
        const { data } = Envelope.parse(JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString()))
        if (data.total > 0) handled++
      })
      const startedAt = performance.now()
      for (const body of bodies) emitter.emit('order.created', body)
      const ms = performance.now() - startedAt
      if (handled !== bodies.length) throw new Error('not all handled')
      return ms
    },
  }
}

/** Nest has no transport in the process: the least a strategy can do is parse the packet and hand it to the handler of its pattern. */
class InProcess extends Server {
  listen(ready: () => void): void {
    ready()
  }
  close(): void {}
  on(): void {}
  unwrap<T>(): T {
    throw new Error('nothing to unwrap')
  }
  async take(body: Uint8Array): Promise<void> {
    const packet = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString()) as { name: string; data: unknown }
    await this.handleEvent(packet.name, { pattern: packet.name, data: packet }, {} as never)
  }
}

async function nest(bodies: readonly Uint8Array[]): Promise<Contestant> {
  let handled = 0
  class Orders {
    created(packet: unknown): void {
      const { data } = Envelope.parse(packet)
      if (data.total > 0) handled++
    }
  }
  const descriptor = Object.getOwnPropertyDescriptor(Orders.prototype, 'created') as PropertyDescriptor
  EventPattern('order.created')(Orders.prototype, 'created', descriptor)
  const { Controller, Module } = await import('@nestjs/common')
  Controller()(Orders)
  class App {}
  Module({ controllers: [Orders] })(App)
  const strategy = new InProcess()
  const app = await NestFactory.createMicroservice(App, { strategy, logger: false })
  await app.listen()
  return {
    name: 'NestJS @EventPattern, in-process strategy',
    async run() {
      handled = 0
      const startedAt = performance.now()
      for (const body of bodies) await strategy.take(body)
      const ms = performance.now() - startedAt
      if (handled !== bodies.length) throw new Error(`Nest handled ${handled} of ${bodies.length}`)
      return ms
    },
  }
}

export async function runtime(bytes: number, messages: number): Promise<Comparison> {
  const bodies = Array.from({ length: messages }, (_, n) => eventBody(bytes, n))
  return {
    name: `The runtime's own cost, ${bytes} B, ${messages.toLocaleString('en')} messages, one handler`,
    messages,
    contestants: [corebus(bodies), decodeAndValidate(bodies), eventEmitter(bodies), await nest(bodies)],
    targets: [
      { ours: 'corebus, memory driver', other: 'decode + validate alone', atLeast: 0.4 },
      { ours: 'corebus, memory driver', other: 'NestJS @EventPattern, in-process strategy', atLeast: 1 },
    ],
  }
}

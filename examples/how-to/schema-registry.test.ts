import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createMessaging } from '@corebus/core'
import { Type } from 'avsc'
import protobuf from 'protobufjs'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { registryDecoder } from './schema-registry.ts'

const AVRO = '{"type":"record","name":"Order","fields":[{"name":"id","type":"int"},{"name":"total","type":"double"}]}'
const PROTO = 'syntax = "proto3"; message Order { int32 id = 1; double total = 2; }'
const Order = z.object({ id: z.number(), total: z.number() })

/** What a registry answers of its HTTP interface, 0 for nothing at all, and how often it was asked for each schema. */
async function registry(status = { now: 200 }) {
  const asked: string[] = []
  const schemas: Readonly<Record<string, object>> = { 1: { schema: AVRO }, 2: { schemaType: 'PROTOBUF', schema: PROTO } }
  const server = createServer((request, response) => {
    const id = request.url?.split('/').at(-1) ?? ''
    asked.push(id)
    if (status.now === 0) return
    const found = status.now === 200 ? schemas[id] : undefined
    response.writeHead(found ? 200 : status.now === 200 ? 404 : status.now).end(JSON.stringify(found ?? {}))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

function framed(id: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const head = Buffer.alloc(5)
  head.writeInt32BE(id, 1)
  return new Uint8Array(Buffer.concat([head, ...parts]))
}
const avro = (order: z.infer<typeof Order>) => framed(1, Type.forSchema(JSON.parse(AVRO)).toBuffer(order))
const proto = (order: z.infer<typeof Order>) =>
  framed(2, Uint8Array.of(0), protobuf.parse(PROTO).root.lookupType('Order').encode(order).finish())

test('Avro and Protobuf are read by the schemas of a registry, which is asked once for each; what it does not know is a dead letter', async () => {
  const { url, asked } = await registry()
  const messaging = createMessaging({
    broker: 'memory',
    url: 'memory://registry',
    service: 's',
    logLevel: 'silent',
    env: {},
  })
  onTestFinished(() => messaging.close())
  const orders: unknown[] = []
  // #region handle
  messaging.handle({ topic: 'orders', group: 'billing', schema: Order, decode: registryDecoder(url) }, (order) => {
    orders.push({ ...order })
  })
  // #endregion handle
  await messaging.start()
  const { send } = messaging.getProducer()
  for (const body of [avro({ id: 1, total: 9.5 }), avro({ id: 2, total: 1 }), proto({ id: 3, total: 2.5 })]) await send('orders', body)
  await expect
    .poll(() => orders)
    .toEqual([
      { id: 1, total: 9.5 },
      { id: 2, total: 1 },
      { id: 3, total: 2.5 },
    ])
  expect(asked.sort()).toEqual(['1', '2'])
  await send('orders', framed(7, Uint8Array.of(1)))
  await expect.poll(() => messaging.counters.dead).toBe(1)
  const { letters } = await (await messaging.driver()).admin.deadLetters({})
  expect(letters[0]?.message.headers).toMatchObject({
    'corebus-reason': 'decode',
    'corebus-error': expect.stringContaining('the registry has no schema 7'),
  })
})

test.each([
  ['is away', 503],
  ['answers nobody', 0],
  ['lets nobody in', 401],
  ['is asked too much', 429],
])('while the registry %s messages wait, and cost no attempt', async (_, now) => {
  const status = { now }
  const { url } = await registry(status)
  const messaging = createMessaging({ broker: 'memory', url: `memory://registry-${now}`, service: 's', logLevel: 'silent', env: {} })
  onTestFinished(() => messaging.close())
  const attempts: number[] = []
  const decode = registryDecoder(url, { againAfterMs: 100, timeoutMs: 100 })
  messaging.handle({ topic: 'orders', group: 'billing', decode, retryDelayMs: 100 }, (_, { attempt }) => void attempts.push(attempt))
  await messaging.start()
  await messaging.getProducer().send('orders', avro({ id: 1, total: 1 }))
  await expect.poll(() => messaging.counters.snoozed).toBeGreaterThan(1)
  status.now = 200
  await expect.poll(() => attempts).toEqual([1])
  expect(messaging.counters).toMatchObject({ dead: 0, retried: 0 })
})

import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { deadLetters, onMemory, until } from '../../test/kit.ts'
import type { Driver, Raw } from '../driver.ts'
import { memoryDriver } from '../drivers/memory/driver.ts'
import { RetryLater } from '../errors.ts'
import { newId } from '../wire/id.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const textOf = (of: Uint8Array | undefined) => of && new TextDecoder().decode(of)

/** On a memory broker whose driver says more of each delivery than its message has. */
function withRaw(raw: Partial<Raw>, asked: unknown[] = []) {
  const driver = (options: Parameters<typeof memoryDriver>[0]): Driver => ({
    ...memoryDriver(options),
    raw: ({ message: { id } }) => {
      asked.push(id)
      return { headers: {}, ...raw }
    },
  })
  return onMemory({ broker: undefined as never, url: `memory://${newId()}`, driver })
}

describe('decode', () => {
  test('is waited for where it returns a promise, before the schema is asked', async () => {
    const messaging = onMemory()
    const got: unknown[] = []
    const decode = async (body: Uint8Array) => {
      await Promise.resolve()
      return { id: Number(textOf(body)) }
    }
    messaging.handle({ topic: 't', group: 'g', decode, schema: z.object({ id: z.number() }) }, (input) => void got.push(input))
    await messaging.start()
    await messaging.getProducer().send('t', bytes('7'))
    await until(
      () => got.length === 1,
      () => got,
    )
    expect(got).toEqual([{ id: 7 }])
  })

  test.each<[string, () => unknown]>([
    ['throws', () => JSON.parse('{')],
    ['rejects', async () => JSON.parse('{')],
  ])('that %s makes a dead letter that names it, and not the schema', async (_, decode) => {
    const messaging = onMemory()
    messaging.handle({ topic: 't', group: 'g', decode, schema: z.object({ id: z.number() }) }, function charge() {})
    await messaging.start()
    await messaging.getProducer().send('t', bytes('x'))
    await until(
      async () => (await deadLetters(messaging)).length === 1,
      () => messaging.counters,
    )
    const [letter] = await deadLetters(messaging)
    expect(letter?.message.headers).toMatchObject({
      'corebus-reason': 'decode',
      'corebus-error-code': 'DECODE',
      'corebus-error': expect.stringMatching(/decode of charge .* failed: Expected property name/),
    })
  })

  test('may ask for the message again later, as a handler may: a registry that is away costs no attempt', async () => {
    const messaging = onMemory()
    const attempts: number[] = []
    let calls = 0
    const decode = async (body: Uint8Array) => {
      if (++calls < 3) throw new RetryLater(1)
      return textOf(body)
    }
    messaging.handle({ topic: 't', group: 'g', decode, maxRetries: 0 }, (_: unknown, { attempt }) => void attempts.push(attempt))
    await messaging.start()
    await messaging.getProducer().send('t', bytes('x'))
    await until(
      () => attempts.length === 1,
      () => [calls, messaging.counters],
    )
    expect([calls, attempts, await deadLetters(messaging)]).toEqual([3, [1], []])
  })

  test('that never ends is told to nobody, and its message is not handed to its handler after the time-out', async () => {
    const messaging = onMemory()
    const handled: unknown[] = []
    const late = Promise.withResolvers<string>()
    messaging.handle(
      { topic: 't', group: 'g', decode: () => late.promise, handlerTimeoutMs: 20, maxRetries: 0 },
      (message: unknown) => void handled.push(message),
    )
    await messaging.start()
    await messaging.getProducer().send('t', bytes('x'))
    await until(
      () => messaging.health().groups[0]?.running === 1,
      () => messaging.health(),
    )
    await new Promise((resolve) => setTimeout(resolve, 60))
    late.resolve('late')
    await until(
      async () => (await deadLetters(messaging)).length === 1,
      () => messaging.counters,
    )
    const [letter] = await deadLetters(messaging)
    expect(letter?.message.headers).toMatchObject({ 'corebus-error-code': 'HANDLER_TIMEOUT' })
    expect(handled).toEqual([])
  })

  test('gets what the broker has beside the body as bytes of its own, and the driver is asked only then', async () => {
    const key = bytes('k\xff')
    const field = new Uint8Array([0, 255])
    const asked: unknown[] = []
    const messaging = withRaw({ key, headers: { h: bytes('v') }, fields: { __data__: field }, properties: { type: 'x' } }, asked)
    const got: unknown[] = []
    messaging.handle(
      { topic: 't', group: 'a', decode: (body, headers) => [textOf(body), headers.h] },
      (input: unknown) => void got.push(input),
    )
    await messaging.start()
    await messaging.getProducer().send('t', bytes('1'), { headers: { h: 'v' } })
    await until(
      () => got.length === 1,
      () => got,
    )
    expect([got, asked]).toEqual([[['1', 'v']], []])

    const other = withRaw({ key, headers: { h: bytes('v') }, fields: { __data__: field }, properties: { type: 'x' }, routingKey: 'r' })
    const seen: unknown[] = []
    other.handle(
      {
        topic: 't',
        group: 'b',
        decode: (_, __, { key, headers, fields, properties, routingKey, topic }) => {
          const copy = { key: key && [...key], h: textOf(headers.h), data: [...(fields.__data__ ?? [])], properties, routingKey, topic }
          key?.fill(0)
          fields.__data__?.fill(0)
          return copy
        },
      },
      (input: unknown) => void seen.push(input),
    )
    await other.start()
    await other.getProducer().send('t', bytes('2'))
    await until(
      () => seen.length === 1,
      () => seen,
    )
    expect(seen).toEqual([{ key: [...key], h: 'v', data: [0, 255], properties: { type: 'x' }, routingKey: 'r', topic: 't' }])
    expect([[...key], [...field]]).toEqual([[...bytes('k\xff')], [0, 255]])
  })

  test('has key and headers of a driver that says no more, and nothing of other brokers', async () => {
    const messaging = onMemory()
    const seen: unknown[] = []
    messaging.handle(
      {
        topic: 't',
        group: 'g',
        decode: (_, __, { key, headers, fields, properties, routingKey }) => [
          textOf(key),
          textOf(headers.ä),
          fields,
          properties,
          routingKey,
        ],
      },
      (input: unknown) => void seen.push(input),
    )
    await messaging.start()
    await messaging.getProducer().send('t', bytes('2'), { key: 'ü', headers: { ä: 'ö' } })
    await until(
      () => seen.length === 1,
      () => seen,
    )
    expect(seen).toEqual([['ü', 'ö', {}, {}, undefined]])
  })
})

test('a handler sees the bytes of the key, the properties and the routing key, and the driver is asked once, when it looks', async () => {
  const asked: unknown[] = []
  const messaging = withRaw(
    { key: new Uint8Array([0, 255]), properties: { replyTo: 'answers', correlationId: '7' }, routingKey: 'a.b' },
    asked,
  )
  const seen: unknown[] = []
  messaging.handle({ topic: 't', group: 'g' }, (look: boolean, context) => {
    seen.push(look ? [[...(context.rawKey ?? [])], context.properties, context.routingKey] : context.key)
  })
  await messaging.start()
  await messaging.getProducer().send('t', false, { key: 'k' })
  await messaging.getProducer().send('t', true, { id: 'looked-at' })
  await until(
    () => seen.length === 2,
    () => seen,
  )
  expect(seen).toEqual(['k', [[0, 255], { replyTo: 'answers', correlationId: '7' }, 'a.b']])
  expect(asked).toEqual(['looked-at'])
})

test('where the broker has none of it a handler sees the bytes of its key and its body alone', async () => {
  const messaging = onMemory()
  const seen: unknown[] = []
  messaging.handle({ topic: 't', group: 'g' }, (_: unknown, { rawKey, rawBody, properties, routingKey }) => {
    seen.push([textOf(rawKey), textOf(rawBody), properties, routingKey])
    rawBody.fill(0) // a copy of its own
  })
  await messaging.start()
  await messaging.getProducer().send('t', 1, { key: 'k' })
  await messaging.getProducer().send('t', 2)
  await until(
    () => seen.length === 2,
    () => seen,
  )
  expect(seen).toEqual([
    ['k', '1', undefined, undefined],
    [undefined, '2', undefined, undefined],
  ])
})

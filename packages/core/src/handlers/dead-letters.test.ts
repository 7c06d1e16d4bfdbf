import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { collector, deadLetters, onMemory, until } from '../../test/kit.ts'
import type { RetryOptions } from '../config/retry.ts'
import type { From } from '../config/source-options.ts'
import type { Driver, LetterTargetKind, Topology } from '../driver.ts'
import { memoryDriver } from '../drivers/memory/driver.ts'
import { CorebusError } from '../errors.ts'
import { defineEvent } from '../wire/event-type.ts'
import { newId } from '../wire/id.ts'
import type { HandlerSpec } from './handler.ts'
import { planGroups, topologyOf } from './plan.ts'
import { eventSpec, messageSpec } from './specs.ts'

type Letters = NonNullable<RetryOptions['deadLetter']>

const capabilities = { durable: true, orderedAcrossProcesses: true, keepsHistory: true, longestHandlingMs: 1e9, members: false }

const plan = (specs: readonly HandlerSpec[], letterTargets?: readonly LetterTargetKind[]) => {
  const defaults = { service: 's', defaultTopic: undefined, retry: {}, broker: 'memory', concurrency: 1, maxUnsettled: 10 }
  const all = { ...capabilities, ...(letterTargets && { letterTargets }) }
  return planGroups(specs, { ...defaults, capabilities: all, handlerTimeoutMs: 1_000, configured: {} }).map((group) => ({
    ...group,
    asked: topologyOf(group, all),
  }))[0]
}

const failure = (work: () => unknown): CorebusError => {
  try {
    work()
  } catch (thrown) {
    if (thrown instanceof CorebusError) return thrown
    throw thrown
  }
  throw new Error('it was accepted')
}

const handle = (topic: string, deadLetter: Letters, more: object = {}): HandlerSpec =>
  messageSpec({ topic, group: 'g', deadLetter, ...more }, function charge() {})
const on = (name: string, topic: string, options: object = {}): HandlerSpec =>
  eventSpec(name, { topic, group: 'g', ...options }, function placed() {})

describe('deadLetter: { to }', () => {
  test('goes to the driver as it is, and to one that has nothing of others as the place of the topic', () => {
    const specs = [handle('orders', { to: { exchange: 'shop.dlx', routingKey: undefined as never } })]
    expect(plan(specs, ['exchange'])?.asked).toMatchObject([{ topic: 'orders', deadLetter: { to: { exchange: 'shop.dlx' } } }])
    expect(plan(specs)?.asked).toMatchObject([{ topic: 'orders', deadLetter: {} }])
  })

  test('is one place for all handlers of a group and topic', () => {
    const said = (to: string) => on(to, 'orders', { deadLetter: { to: { stream: to } } })
    const { code, message } = failure(() => plan([said('a'), said('b')]))
    expect([code, message]).toEqual(['HANDLERS', expect.stringContaining('say different things of the dead letters of topic orders')])
    const agreeing = ['a', 'b'].map((name) => on(name, 'orders', { deadLetter: { to: { stream: 'shop:dead' } } }))
    expect(plan(agreeing)?.topics.get('orders')).toMatchObject({ deadLetter: { to: { stream: 'shop:dead' } } })
  })

  test('needs no place of ours, so that without retries a group has nothing but itself', () => {
    expect(plan([handle('orders', { to: { topic: 'dead' } }, { maxRetries: 0 })], ['topic'])?.delays).toEqual([])
    expect(plan([handle('orders', true, { maxRetries: 0 })])?.delays).not.toEqual([])
  })
})

/** The memory broker, as if dead letters could go to others there: what it is asked for is kept. */
function lettered(...letterTargets: LetterTargetKind[]) {
  const asked: Topology[] = []
  const driver = (options: Parameters<typeof memoryDriver>[0]): Driver => {
    const memory = memoryDriver(options)
    return {
      ...memory,
      name: 'theirs',
      capabilities: { ...memory.capabilities, sources: [], letterTargets },
      ensure(topology, mode) {
        asked.push(topology)
        return memory.ensure(topology, mode)
      },
    }
  }
  return { driver, asked }
}

describe('where dead letters can go', () => {
  const url = () => ({ broker: undefined as never, url: `memory://${newId()}` })

  test('what another broker has is refused before anything is declared, with what this one takes', async () => {
    const { driver, asked } = lettered('stream')
    const messaging = onMemory({ ...url(), driver })
    messaging.handle({ topic: 'orders', group: 'g', deadLetter: { to: { exchange: '', routingKey: 'their.dlq' } } }, () => undefined)
    messaging.handle({ topic: 'bills', group: 'g', deadLetter: { to: { topic: 'dead' } } }, () => undefined)
    const { code, message } = (await messaging.start().catch((error: unknown) => error)) as CorebusError
    expect(code).toBe('TARGET')
    expect(message).toContain('the queue their.dlq (dead letters of topic orders, group g) is of RabbitMQ')
    expect(message).toContain('the topic dead (dead letters of topic bills, group g) is of Kafka')
    expect(message).toContain('on the theirs broker dead letters can go to { stream }')
    expect(asked).toEqual([])
  })

  test('a driver is asked for a place of others only where it says that it has such places', () => {
    const to = { exchange: 'shop.dlx' }
    const asked = (...kinds: [LetterTargetKind[]?]) => plan([on('placed', 'orders', { deadLetter: { to } })], ...kinds)?.asked
    expect(asked()).toMatchObject([{ deadLetter: {} }])
    expect(asked()?.[0]?.deadLetter).not.toHaveProperty('to')
    expect(asked(['exchange'])).toMatchObject([{ deadLetter: { to } }])
  })

  test('where nothing of others is they are kept in the place of the topic, also those of the whole app, and it is said once', async () => {
    const { logger, lines } = collector()
    const messaging = onMemory({ logger, deadLetter: { to: { exchange: 'shop.dlx' } } })
    for (const topic of ['orders', 'bills'])
      messaging.handle({ topic, group: 'g', maxRetries: 0 }, () => {
        throw new Error('no')
      })
    await messaging.start()
    await messaging.getProducer().send('orders', { n: 1 })
    await until(
      () => messaging.counters.dead === 1,
      () => messaging.counters,
    )
    expect((await deadLetters(messaging, 'orders')).map(({ place }) => place)).toEqual(['orders.g.dlq'])
    expect(lines.filter(({ msg }) => msg.includes('deadLetter: { to }')).map(({ msg }) => msg)).toEqual([
      "the memory broker has nothing of others, so dead letters that handlers send there with deadLetter: { to } are kept in the topic's own place: orders instead of the exchange shop.dlx, bills instead of the exchange shop.dlx",
    ])
  })
})

describe('an event that nobody handles', () => {
  const queue: From = { queue: 'shop.billing' }

  test.each<[string, object, 'skip' | 'deadLetter']>([
    ['of a topic of ours', {}, 'skip'],
    ['of an exchange', { from: { exchange: 'shop', bind: '#' } }, 'skip'],
    ['of a stream', { from: { stream: 'shop:orders' } }, 'skip'],
    ['of a topic of others', { from: { topic: 'shop' } }, 'skip'],
    ['of a queue', { from: queue }, 'deadLetter'],
    ['of a queue, where the group says skip', { from: queue, unknown: 'skip' }, 'skip'],
    ['of a queue whose letters go to others', { from: queue, deadLetter: { to: { exchange: 'shop.dlx' } } }, 'deadLetter'],
    ['of a queue, where it may be dropped', { from: queue, unknown: 'skip', deadLetter: false }, 'skip'],
  ])('%s', (_, options, unknown) => {
    expect(plan([on('placed', 'orders', options)])?.topics.get('orders')).toMatchObject({ unknown })
  })

  test('of a queue and of a topic in one group is decided for each of them', () => {
    const group = plan([on('placed', 'orders', { from: queue }), on('placed', 'own')])
    expect([...(group?.topics.values() ?? [])].map(({ unknown }) => unknown)).toEqual(['deadLetter', 'skip'])
  })

  test('of a queue without dead letters is refused until somebody says that it may be gone', () => {
    const { code, message } = failure(() => plan([on('placed', 'orders', { from: queue, deadLetter: false })]))
    expect(code).toBe('HANDLERS')
    expect(message).toContain('group g reads the queue of others that topic orders comes from')
    expect(message).toContain("Say unknown: 'skip'")
    // Whoever takes messages as they are leaves none to nobody.
    expect(plan([handle('orders', false, { from: queue })])?.topics.get('orders')).toMatchObject({ deadLetter: false })
  })

  test('of a queue of others is a dead letter, and so are a tombstone and what its envelope calls not ours', async () => {
    const messaging = onMemory()
    messaging.on('placed', { topic: 'orders', group: 'g', from: queue }, () => undefined)
    const Paid = defineEvent('paid', z.object({}), { topic: 'bills', in: () => undefined })
    messaging.on(Paid, { group: 'g', from: { queue: 'shop.bills' } }, () => undefined)
    await messaging.start()
    await messaging.publishEvent('lost', { n: 1 }, { topic: 'orders' })
    await messaging.getProducer().send('orders', null, { key: 'k' })
    await messaging.getProducer().send('bills', { other: true })
    await until(
      () => messaging.counters.dead + messaging.counters.skipped === 3,
      () => messaging.counters,
    )
    expect((await deadLetters(messaging, 'bills')).map(({ message: { headers } }) => headers['corebus-error'])).toEqual([
      expect.stringContaining('says that it is not one of ours'),
    ])
    const letters = await deadLetters(messaging, 'orders')
    expect(letters.map(({ message: { headers } }) => headers['corebus-reason'])).toEqual(['unknown-event', 'unknown-event'])
    expect(letters.map(({ message: { headers } }) => headers['corebus-error'])).toEqual([
      expect.stringContaining('nobody in the group handles event lost'),
      expect.stringContaining('a tombstone'),
    ])
  })
})

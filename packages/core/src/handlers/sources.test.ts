import { describe, expect, test } from 'vitest'
import { collector, onMemory, until } from '../../test/kit.ts'
import type { From } from '../config/source-options.ts'
import type { Driver, SourceKind, SubscribeOptions, Topology } from '../driver.ts'
import { memoryDriver } from '../drivers/memory/driver.ts'
import { CorebusError } from '../errors.ts'
import { newId } from '../wire/id.ts'
import type { HandlerSpec } from './handler.ts'
import { planGroups } from './plan.ts'
import { eventSpec, messageSpec } from './specs.ts'

const handle = (topic: string, from?: From, group = 'g'): HandlerSpec =>
  messageSpec({ topic, group, ...(from !== undefined && { from }) }, function charge() {})
const on = (name: string, topic: string, from?: From): HandlerSpec =>
  eventSpec(name, { topic, group: 'g', ...(from !== undefined && { from }) }, function placed() {})

const failure = (work: () => unknown): CorebusError => {
  try {
    work()
  } catch (thrown) {
    if (thrown instanceof CorebusError) return thrown
    throw thrown
  }
  throw new Error('it was accepted')
}

const plan = (...specs: HandlerSpec[]) =>
  planGroups(specs, {
    service: 's',
    defaultTopic: undefined,
    retry: {},
    broker: 'memory',
    capabilities: { durable: true, orderedAcrossProcesses: true, keepsHistory: true, longestHandlingMs: 1e9, members: false },
    concurrency: 1,
    maxUnsettled: 10,
    handlerTimeoutMs: 1_000,
    configured: {},
  })

describe('what from says', () => {
  test('a source is kept with its topic, and its start with the group', () => {
    const [group] = plan(handle('billing', { queue: 'shop.billing', start: 'latest' }), handle('other'))
    expect(group).toMatchObject({ from: 'latest' })
    expect([...(group?.topics.values() ?? [])].map(({ topic, source }) => [topic, source])).toEqual([
      ['billing', { queue: 'shop.billing' }],
      ['other', undefined],
    ])
  })

  test.each<[string, unknown, string[]]>([
    ['a word there is not', 'begin', ["must be 'earliest', 'latest', or what the messages come from", 'not "begin"']],
    ['nothing of a source', {}, ['it names none of exchange, queue, stream, topic']],
    ['a kind that is misspelt', { exchang: 'x' }, ['it names none of', 'Did you mean exchange?']],
    ['two kinds', { queue: 'q', exchange: 'x' }, ['it names exchange and queue, and a handler has one source']],
    [
      'everything at once',
      { queue: '', durable: true, start: 'now' },
      ['{ queue, start? }', 'queue must be a string that is not empty', 'durable is nothing that is said of a queue', 'start must be'],
    ],
    ['what only an exchange has', { queue: 'q', bind: '#' }, ['bind is nothing that is said of a queue']],
    ['keys that are none', { exchange: 'x', bind: [] }, ['bind must be a routing key or an array of some']],
    ['arguments that are none', { exchange: 'x', arguments: { kind: {} } }, ['arguments must be an object of strings']],
    ['both ways to bind', { exchange: 'x', bind: '#', arguments: { kind: 'order' } }, ['bind and arguments go together with no type']],
  ])('%s is one error with the right form in it', (_, from, words) => {
    const { code, message } = failure(() => handle('t', from as From))
    expect(code).toBe('OPTION')
    for (const word of words) expect(message).toContain(word)
    expect(failure(() => on('x', 't', from as From)).message).toContain(words.at(-1))
  })

  test('handlers of one topic agree on what it comes from, one that says nothing too; all mistakes come at once', () => {
    const { code, message } = failure(() =>
      plan(
        on('a', 'orders', { queue: 'q' }),
        on('b', 'orders'),
        handle('x', { exchange: 'shop', bind: 'order.*' }),
        handle('y', { exchange: 'shop', bind: 'order.*' }),
      ),
    )
    expect(code).toBe('HANDLERS')
    expect(message).toContain('placed (on(a))')
    expect(message).toContain('says from: {"queue":"q"}')
    expect(message).toContain('says nothing of a source: both handle topic orders')
    expect(message).toContain('topics x and y come from the same exchange shop')
    const agreeing = plan(
      on('a', 'orders', { queue: 'q' }),
      on('b', 'orders', { queue: 'q' }),
      handle('z', { exchange: 'shop', bind: 'a' }),
    )
    expect(agreeing).toHaveLength(1)
  })

  test('two groups have an exchange each for itself, and a queue not', () => {
    const { code, message } = failure(() => plan(handle('a', { queue: 'q' }), handle('b', { queue: 'q' }, 'h')))
    expect(code).toBe('HANDLERS')
    expect(message).toContain('the groups g (topic a), h (topic b) come from the same queue q')
    expect(plan(handle('a', { exchange: 'shop' }), handle('a', { exchange: 'shop' }, 'h'))).toHaveLength(2)
  })
})

interface Asked {
  readonly topologies: Topology[]
  readonly subscriptions: SubscribeOptions[]
  readonly names: (readonly string[] | undefined)[]
}

/** The memory broker, as if it had sources: what it is asked for is kept. */
function reading(...sources: SourceKind[]): { driver: (options: Parameters<typeof memoryDriver>[0]) => Driver; asked: Asked } {
  const asked: Asked = { topologies: [], subscriptions: [], names: [] }
  const driver = (options: Parameters<typeof memoryDriver>[0]): Driver => {
    const memory = memoryDriver(options)
    return {
      ...memory,
      name: 'theirs',
      capabilities: { ...memory.capabilities, sources },
      admin: {
        ...memory.admin,
        topics: (names) => {
          asked.names.push(names)
          return memory.admin.topics(names)
        },
      },
      ensure: (topology, mode) => {
        asked.topologies.push(topology)
        return memory.ensure({ ...topology, topics: [...topology.topics, 'billing'] }, mode)
      },
      subscribe: (given) => {
        asked.subscriptions.push(given)
        return memory.subscribe(given)
      },
    }
  }
  return { driver, asked }
}

describe('what a driver is told', () => {
  const url = () => ({ broker: undefined as never, url: `memory://${newId()}` })

  test('a source goes to the topology and to the subscription, and its topic is declared for nobody', async () => {
    const { driver, asked } = reading('queue')
    const messaging = onMemory({ ...url(), driver })
    messaging.handle({ topic: 'billing', group: 'g', from: { queue: 'shop.billing', start: 'latest' }, shared: true }, () => undefined)
    messaging.handle({ topic: 'own', group: 'g', shared: true }, () => undefined)
    await messaging.start()
    expect(asked.topologies).toMatchObject([
      { topics: ['own'], groups: [{ topic: 'billing', source: { queue: 'shop.billing' } }, { topic: 'own' }] },
    ])
    expect(asked.topologies[0]?.groups[1]).not.toHaveProperty('source')
    expect(asked.subscriptions).toMatchObject([{ topics: ['billing', 'own'], from: 'latest', shared: true }])
    expect([...(asked.subscriptions[0]?.sources ?? [])]).toEqual([['billing', { queue: 'shop.billing' }]])
    expect(asked.names).toContainEqual(['own'])
    expect(asked.names.flat()).not.toContain('billing')
  })

  test('only sources: no topic is asked for, and none is said to be new', async () => {
    const { driver, asked } = reading('queue')
    const { logger, lines } = collector()
    const messaging = onMemory({ ...url(), driver, logger })
    messaging.handle({ topic: 'billing', group: 'g', from: { queue: 'shop.billing' } }, () => undefined)
    await messaging.start()
    expect(asked.names).toEqual([])
    expect(lines.filter(({ msg }) => msg.includes('did not exist'))).toEqual([])
    expect(asked.subscriptions[0]).not.toHaveProperty('shared')
    expect(lines.map(({ msg }) => msg)).toContainEqual(
      expect.stringContaining('group g, topics billing, billing from queue shop.billing, concurrency 10'),
    )
  })

  test('a source that this broker does not have is refused at start, with what it reads and what the others do', async () => {
    const { driver, asked } = reading('stream')
    const messaging = onMemory({ ...url(), driver })
    messaging.handle({ topic: 'billing', group: 'g', from: { queue: 'shop.billing' } }, () => undefined)
    messaging.handle({ topic: 'orders', group: 'g', from: { exchange: 'shop.orders' } }, () => undefined)
    const { code, message } = await messaging.start().then(
      () => new CorebusError('NONE', 'it started'),
      (error: CorebusError) => error,
    )
    expect(code).toBe('SOURCE')
    expect(message).toContain('from queue shop.billing (topic billing, group g) is a queue of RabbitMQ')
    expect(message).toContain('from exchange shop.orders (topic orders, group g) is an exchange of RabbitMQ')
    expect(message).toContain('the theirs broker reads { stream }')
    expect(asked.topologies).toEqual([])
  })

  test('the memory broker reads the log of the topic instead, and says so in one line', async () => {
    const { logger, lines } = collector()
    const messaging = onMemory({ logger })
    const seen: unknown[] = []
    messaging.handle({ topic: 'billing', group: 'g', from: { queue: 'shop.billing' } }, (message: unknown) => void seen.push(message))
    messaging.handle({ topic: 'orders', group: 'g', from: { stream: 'shop:orders' } }, () => undefined)
    await messaging.start()
    await messaging.getProducer().send('billing', 1)
    await until(
      () => seen.length === 1,
      () => lines,
    )
    expect(lines.filter(({ msg }) => msg.includes('own log')).map(({ msg }) => msg)).toEqual([
      "the memory broker has nothing of others, so what handlers say with from is read as the topic's own log: billing instead of queue shop.billing, orders instead of stream shop:orders",
    ])
  })
})

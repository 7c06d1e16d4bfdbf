import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { exponential, fixed } from '../config/retry.ts'
import { CorebusError } from '../errors.ts'
import { defineEvent } from '../wire/event-type.ts'
import type { HandlerSpec } from './handler.ts'
import { type GroupPlan, type PlanDefaults, planGroups, topologyOf } from './plan.ts'
import { type Selection, select } from './select.ts'
import { eventSpec, messageSpec } from './specs.ts'

const capabilities = { durable: true, orderedAcrossProcesses: true, keepsHistory: true, longestHandlingMs: 25 * 60_000, members: false }
const DEFAULTS: PlanDefaults = {
  service: 'orders',
  defaultTopic: undefined,
  retry: {},
  broker: 'rabbitmq',
  capabilities,
  concurrency: 10,
  maxUnsettled: 1_000,
  handlerTimeoutMs: 60_000,
  configured: {},
}

const Created = defineEvent('user.created', z.object({ id: z.number() }), { topic: 'user-events' })
const Nowhere = defineEvent('nowhere', z.object({ id: z.number() }))

type OnOptions = Parameters<typeof eventSpec>[1]
type MessageOptions = Parameters<typeof messageSpec>[0]

const on = (type: typeof Created | typeof Nowhere | string, options: OnOptions = {}, more: Partial<HandlerSpec> = {}): HandlerSpec => ({
  ...eventSpec(type, options, function welcome() {}),
  ...more,
})
const handle = (topic: MessageOptions['topic'], options: Omit<MessageOptions, 'topic'> = {}): HandlerSpec =>
  messageSpec({ topic, ...options }, function charge() {})

const plan = (specs: readonly HandlerSpec[], defaults: Partial<PlanDefaults> = {}): readonly GroupPlan[] =>
  planGroups(specs, { ...DEFAULTS, ...defaults })

const shape = (plans: readonly GroupPlan[]) =>
  Object.fromEntries(
    plans.map(({ group, topics }) => [
      group,
      Object.fromEntries([...topics.values()].map(({ topic, events, rest }) => [topic, [...events.keys(), ...(rest ? ['*'] : [])]])),
    ]),
  )

describe('where a handler goes', () => {
  test.each<[string, HandlerSpec[], Partial<PlanDefaults>, object]>([
    [
      'the group of a function is its own, else the service',
      [on(Created, { group: 'g' }), handle('t')],
      {},
      { g: { 'user-events': ['user.created'] }, orders: { t: ['*'] } },
    ],
    ['an event goes where its type travels', [on(Created)], {}, { orders: { 'user-events': ['user.created'] } }],
    ['an option says otherwise', [on(Created, { topic: ['a', 'b'] })], {}, { orders: { a: ['user.created'], b: ['user.created'] } }],
    ['by name: every topic of the class', [on('x', {}, { classTopics: ['a', 'b'] })], {}, { orders: { a: ['x'], b: ['x'] } }],
    ['a type without a topic: the class’s', [on(Nowhere, {}, { classTopics: ['a'] })], {}, { orders: { a: ['nowhere'] } }],
    ['without any: the default topic', [on(Nowhere), on('x')], { defaultTopic: 'd' }, { orders: { d: ['nowhere', 'x'] } }],
    [
      'a message handler beside event handlers',
      [on(Created), handle(['user-events', 'other'])],
      {},
      { orders: { 'user-events': ['user.created', '*'], other: ['*'] } },
    ],
    [
      'one event in two groups',
      [on(Created, { group: 'a' }), on(Created, { group: 'b' })],
      {},
      { a: { 'user-events': ['user.created'] }, b: { 'user-events': ['user.created'] } },
    ],
  ])('%s', (_, specs, defaults, expected) => {
    expect(shape(plan(specs, defaults))).toEqual(expected)
  })
})

describe('mistakes are errors that name who made them', () => {
  const seventeen = { maxRetries: 17, backoff: (n: number) => n * 1_000 }
  test.each<[string, HandlerSpec[], Partial<PlanDefaults>, RegExp]>([
    [
      'two handlers of one event',
      [on(Created), { ...on(Created), at: '/app/other.ts:3' }],
      {},
      /welcome \(on\(user\.created\)\) at .* and welcome .* both handle event user\.created of topic user-events in group orders\. Give one of them its own group/,
    ],
    [
      'one registered twice from the same line',
      [on(Created), on(Created)],
      {},
      /^the handlers cannot be started: registered twice: welcome \(on\(user\.created\)\) at .*, from .*plan\.test\.ts:\d+\. That module was evaluated twice .* or the same line registers it in a loop/,
    ],
    [
      'two message handlers of one topic',
      [handle('t'), handle(['s', 't'])],
      {},
      /charge .* and charge .* both handle the messages of topic t in group orders/,
    ],
    [
      'a topic its class does not list',
      [on(Created, {}, { classTopics: ['payment-events'] })],
      {},
      /welcome .* user\.created of topic user-events, which its class does not list in topics: payment-events/,
    ],
    ['no topic at all', [on('x')], {}, /welcome .* has no topic: list topics in @consumer/],
    ['a group whose name no broker takes', [on(Created, { group: 'a b' })], {}, /group "a b" cannot be used on every broker/],
    ['a topic whose name no broker takes', [handle('orders/created')], {}, /topic "orders\/created"/],
    [
      'options that disagree',
      [on(Created, { concurrency: 1 } as never), handle('t', { concurrency: 2 })],
      {},
      /welcome .* says concurrency: 1 and charge .* says concurrency: 2/,
    ],
    [
      'a time-out of a handler that the broker does not wait for',
      [handle('t', { handlerTimeoutMs: 26 * 60_000 })],
      {},
      /handlerTimeoutMs must be above 0 and at most 1500000 on rabbitmq/,
    ],
    ['a time-out the broker does not wait for', [handle('t')], { handlerTimeoutMs: 26 * 60_000 }, /handlerTimeoutMs/],
    ['17 distinct delays', [handle('t', seventeen)], {}, /at most 16 distinct delays can be declared, its handlers have 17: 1000, 2000/],
    [
      '17 delays of two handlers',
      [handle('t', { ...seventeen, maxRetries: 9 }), on(Created, { backoff: (n: number) => n * 1_001, maxRetries: 9 })],
      {},
      /have 18/,
    ],
    [
      'a key that would wait longer than the broker',
      [handle('t', { ordering: 'key', maxRetries: 3, retryDelayMs: 600_000 })],
      {},
      /with ordering: 'key' a key waits for its retries, here up to 1800000 ms, but rabbitmq takes a message back after 1500000 ms/,
    ],
    [
      'dead letters kept and not kept',
      [handle('user-events', { deadLetter: true }), on(Created, { deadLetter: false })],
      {},
      /charge .* and welcome .* say different things of the dead letters of topic user-events in group orders/,
    ],
    [
      'dead letters not kept beside a handler that says nothing',
      [handle('user-events'), on(Created, { deadLetter: false })],
      {},
      /dead letters/,
    ],
    [
      'dead letters in two places',
      [handle('user-events', { deadLetter: { name: 'a' } }), on(Created, { deadLetter: { name: 'b' } })],
      {},
      /dead letters/,
    ],
    [
      'a policy that contradicts itself',
      [handle('t', { retryDelayMs: 1, backoff: fixed(1) })],
      {},
      /charge .*: give retryDelayMs or backoff, not both/,
    ],
  ])('%s', (_, specs, defaults, message) => {
    expect(() => plan(specs, defaults)).toThrow(CorebusError)
    expect(() => plan(specs, defaults)).toThrow(message)
  })

  test('all of them in one error', () => {
    expect(() => plan([on('x'), handle('a b'), handle('t', { handlerTimeoutMs: 26 * 60_000, group: 'h' })])).toThrow(
      /cannot be started:\n {2}- .*has no topic.*\n {2}- topic "a b".*\n {2}- group h: handlerTimeoutMs/,
    )
  })
})

describe('options of a group', () => {
  test('come from whoever says them, else from the app', () => {
    const [group] = plan([handle('t', { ordering: 'key', concurrency: 3 }), on(Created, { concurrency: 3, from: 'latest' } as never)], {
      maxUnsettled: 7,
    })
    expect(group).toMatchObject({
      ordering: 'key',
      concurrency: 3,
      from: 'latest',
      maxUnsettled: 7,
      handlerTimeoutMs: 60_000,
    })
  })

  test.each([
    ['none', true, false],
    ['key', true, false],
    ['key', false, true],
    ['none', false, false],
  ] as const)(
    'ordering %s, the broker keeps order across processes: %s -> one member at a time: %s',
    (ordering, orderedAcrossProcesses, exclusive) => {
      const [group] = plan([handle('t', { ordering })], { capabilities: { ...capabilities, orderedAcrossProcesses } })
      expect(group?.exclusive).toBe(exclusive)
    },
  )

  test('the handler, its class and the app say how it is retried, option by option', () => {
    const [group] = plan([{ ...handle('t', { maxRetries: 2 }), retry: [{ maxRetries: 2 }, { backoff: exponential({ firstMs: 10 }) }] }], {
      retry: { retryDelayMs: 5, maxRetries: 9 },
    })
    expect(group?.topics.get('t')?.rest?.retry).toEqual({ maxRetries: 2, delaysMs: [10, 20], jitter: 0 })
  })

  test('dead letters: the nearest level, the app, the default', () => {
    const places = (specs: HandlerSpec[], defaults?: Partial<PlanDefaults>) =>
      plan(specs, defaults).flatMap((group) => topologyOf(group, capabilities).map(({ deadLetter }) => deadLetter))
    expect(places([handle('t')])).toEqual([{}])
    expect(places([handle('t')], { retry: { deadLetter: { name: 'x', ttlMs: 5 } } })).toEqual([{ name: 'x', ttlMs: 5 }])
    expect(places([handle('t', { deadLetter: true })], { retry: { deadLetter: false } })).toEqual([{}])
    expect(places([handle('t', { deadLetter: false })])).toEqual([false])
    expect(places([handle('t', { deadLetter: { name: 'a' } }), handle('s')])).toEqual([{ name: 'a' }, {}])
  })

  test('a group that neither retries nor keeps dead letters declares no delay; one handler that does makes it declare all', () => {
    const bare = { maxRetries: 0, deadLetter: false } as const
    const delays = (specs: HandlerSpec[]) => plan(specs).flatMap((group) => topologyOf(group, capabilities).map((one) => one.delays.length))
    expect(delays([handle('t', bare), on(Created, bare)])).toEqual([0, 0])
    expect(delays([handle('t', bare), on(Created, { maxRetries: 0 })]).every((count) => count > 0)).toBe(true)
    expect(delays([handle('t', { deadLetter: false })]).every((count) => count > 0)).toBe(true)
  })

  test('a group that is shared says so where it is declared', () => {
    const shared = (said: boolean) =>
      plan([handle('t', { shared: said } as never)]).flatMap((one) => topologyOf(one, capabilities))[0]?.shared
    expect([shared(true), shared(false)]).toEqual([true, undefined])
  })

  test('every delay is declared, and one long enough for RetryLater', () => {
    const delays = (specs: HandlerSpec[]) => plan(specs)[0]?.delays.map(({ afterMs }) => afterMs)
    expect(delays([handle('t', { retryDelayMs: 20 }), on(Created, { retryDelayMs: 10 })])).toEqual([10, 20, 100, 1_000])
    expect(delays([handle('t', { retryDelayMs: 2_000 })])).toEqual([2_000])
  })

  test('a delay of a second is declared where another member may handle what this one does not', () => {
    const delays = (specs: HandlerSpec[]) => plan(specs)[0]?.delays.map(({ afterMs }) => afterMs)
    expect(delays([on(Created, { retryDelayMs: 5_000 })])).toEqual([1_000, 5_000])
    expect(delays([on(Created, { retryDelayMs: 1_500 })])).toEqual([1_500])
    expect(delays([handle('t', { retryDelayMs: 5_000 })])).toEqual([5_000])
  })
})

describe('what to run', () => {
  const specs = [
    on(Created, { group: 'a' }),
    handle('payments', { group: 'a' }),
    handle('payments', { group: 'b' }),
    handle('nightly', { group: 'b', autoStart: false }),
  ]
  const selected = (selection: Selection, of: HandlerSpec[] = specs) =>
    select(plan(of), selection).flatMap(({ group, topics }) => [...topics.keys()].map((topic) => `${group}:${topic}`))

  test.each<[string, Selection, string[]]>([
    ['everything with autoStart', {}, ['a:user-events', 'a:payments', 'b:payments']],
    ['a topic', { topics: ['payments'] }, ['a:payments', 'b:payments']],
    ['two topics', { topics: ['payments', 'user-events'] }, ['a:user-events', 'a:payments', 'b:payments']],
    ['a group, and what has autoStart: false in it', { groups: ['b'] }, ['b:payments', 'b:nightly']],
    ['what has autoStart: false, by name', { topics: ['nightly'] }, ['b:nightly']],
    ['a topic of a group', { topics: ['payments'], groups: ['b'] }, ['b:payments']],
  ])('%s', (_, selection, expected) => {
    expect(selected(selection)).toEqual(expected)
  })

  test.each<[string, Selection, RegExp]>([
    [
      'an unknown topic',
      { topics: ['orders'] },
      /no handler for topic orders\. There are: user-events \(group a\), payments \(group a\), payments \(group b\), nightly \(group b\)/,
    ],
    ['an unknown group', { groups: ['c'] }, /no handler in group c\. There are: /],
    ['a pair without handlers', { topics: ['nightly'], groups: ['a'] }, /nothing to run\. There are: /],
    ['a topic that no named group has', { topics: ['payments', 'user-events'], groups: ['b'] }, /user-events: no handler/],
    ['a group without any named topic', { topics: ['nightly'], groups: ['a', 'b'] }, /^a: no handler/],
  ])('refuses %s', (_, selection, message) => {
    expect(() => selected(selection)).toThrow(message)
    expect(() => selected(selection)).toThrow(expect.objectContaining({ code: 'SELECTION' }))
  })

  test('refuses a run without handlers', () => {
    expect(() => selected({}, [handle('t', { autoStart: false })])).toThrow(/nothing to run/)
  })

  test('refuses to start only some handlers of a pair, and names the others; by name all of them run', () => {
    const mixed = [on(Created), on('user.updated', { topic: 'user-events', autoStart: false }), handle('t')]
    expect(() => selected({}, mixed)).toThrow(
      /welcome \(on\(user\.updated\)\) at .* \(autoStart: false\) would not run, but shares group orders and topic user-events with welcome \(on\(user\.created\)\)/,
    )
    expect(selected({ topics: ['user-events'] }, mixed)).toEqual(['orders:user-events'])
  })
})

import assert from 'node:assert/strict'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { loggingSession } from '../../test/kit.ts'
import type { Message } from '../driver.ts'
import { Reject, RetryLater } from '../errors.ts'
import type { Decode, HandlerContext, HandlerFunction, HandlerSpec } from '../handlers/handler.ts'
import { planGroups, type TopicPlan } from '../handlers/plan.ts'
import { eventSpec, messageSpec } from '../handlers/specs.ts'
import type { Inbox, Outbox } from '../scope/companion.ts'
import type { Owner } from '../scope/publishing.ts'
import { currentScope, nextIdIn, type Open, type Outlet, record, type Scope } from '../scope/scope.ts'
import { defineEvent } from '../wire/event-type.ts'
import { derivedId } from '../wire/id.ts'
import type { Call } from './context.ts'
import { type Dispatched, type DispatchOptions, dispatch } from './dispatch.ts'

const unasked = (): never => expect.fail('not asked for')
const NOBODY: Owner = {
  emit: unasked,
  emitReturned: unasked,
  publishEvent: unasked,
  cancel: unasked,
  session: unasked,
  getProducer: unasked,
}

const Created = defineEvent(
  'user.created',
  z.object({ id: z.number(), at: z.codec(z.string(), z.date(), { decode: (s) => new Date(s), encode: (d) => d.toISOString() }) }),
  { topic: 't' },
)

const bytes = (text: string) => new TextEncoder().encode(text)
const json = (value: unknown) => bytes(JSON.stringify(value))
const envelope = (name: string, data: unknown) => json({ name, data, timestamp: '2026-02-01T12:00:00.000Z', source: 's' })

function message(body: Uint8Array, more: Partial<Message> = {}): Message {
  return { id: 'm1', topic: 't', headers: {}, body, ...more }
}

function planOf(...specs: HandlerSpec[]): TopicPlan {
  const capabilities = {
    durable: false,
    orderedAcrossProcesses: true,
    keepsHistory: false,
    longestHandlingMs: Number.POSITIVE_INFINITY,
    members: false,
  }
  const defaults = {
    service: 'g',
    defaultTopic: undefined,
    retry: {},
    broker: 'memory',
    capabilities,
    concurrency: 10,
    maxUnsettled: 10,
    handlerTimeoutMs: 1_000,
    configured: {},
  }
  const [plan] = planGroups(specs, defaults)
  return plan?.topics.get('t') as TopicPlan
}

interface Given extends Partial<Omit<DispatchOptions, 'bound'>> {
  readonly call?: Partial<Call>
}

async function run(to: Message, specs: readonly HandlerSpec[], given: Given = {}): Promise<Dispatched> {
  const bound = new Map<HandlerSpec, HandlerFunction>()
  for (const spec of specs) bound.set(spec, await spec.bind(() => Promise.reject(new Error('no classes here'))))
  return dispatched(to, specs, bound, given)
}

/** Without waiting for anything. */
function atOnce(handler: HandlerFunction, decode: Decode = 'json'): Dispatched | Promise<Dispatched> {
  const spec = messageSpec({ topic: 't', decode }, handler)
  return dispatched(message(json(1)), [spec], new Map([[spec, handler]]), {})
}

function dispatched(
  to: Message,
  specs: readonly HandlerSpec[],
  bound: ReadonlyMap<HandlerSpec, HandlerFunction>,
  { call, ...options }: Given,
): Dispatched | Promise<Dispatched> {
  return dispatch(
    {
      delivery: { message: to, unsettledBefore: 0, receipt: undefined },
      message: to,
      attempt: 1,
      signal: new AbortController().signal,
      aborted: false,
      blockedMs: 0,
      waiting: false,
      begins: () => undefined,
      forbidden: () => undefined,
      ...call,
    },
    planOf(...specs),
    {
      group: 'g',
      bound,
      session: undefined,
      inbox: undefined,
      middleware: [],
      logger: pino({ level: 'silent' }),
      owner: NOBODY,
      outlet: outlet().outlet,
      ...options,
    },
  )
}

function outlet(log: string[] = [], outbox?: Outbox): { outlet: Outlet; log: string[] } {
  return {
    log,
    outlet: {
      outbox,
      write: async (db, recorded) =>
        outbox?.write(
          db,
          recorded.map(({ message }) => ({ message })),
        ),
      publish: async (recorded) => void log.push(...recorded.map(({ message: { id } }) => `published ${id}`)),
      publishInBackground: async (recorded) => void log.push(...recorded.map(({ message: { id } }) => `in background ${id}`)),
    },
  }
}

describe('what a handler gets', () => {
  const onCreated = (handler: HandlerFunction = () => undefined) => eventSpec(Created, {}, handler)
  const onName = (handler: HandlerFunction = () => undefined) => eventSpec('user.updated', { topic: 't' }, handler)
  const rest = (handler: HandlerFunction = () => undefined, options = {}) => messageSpec({ topic: 't', ...options }, handler)
  const at = '2026-02-01T12:00:00.000Z'
  const Amount = z.object({ amount: z.number() })

  test.each<[string, Message, (handler: HandlerFunction) => HandlerSpec[], unknown]>([
    [
      'an event, decoded',
      message(envelope('user.created', { id: 1, at })),
      (h) => [onCreated(h), rest()],
      { name: 'user.created', data: { id: 1, at: new Date(at) }, timestamp: at, source: 's' },
    ],
    [
      'an event by name, as it is',
      message(envelope('user.updated', { x: 1 })),
      (h) => [onName(h)],
      { name: 'user.updated', data: { x: 1 }, timestamp: at, source: 's' },
    ],
    [
      'an event nobody takes, whole',
      message(envelope('other', 1)),
      (h) => [onCreated(), rest(h)],
      { name: 'other', data: 1, timestamp: at, source: 's' },
    ],
    ['a message beside event handlers', message(json({ a: 1 })), (h) => [onCreated(), rest(h)], { a: 1 }],
    ['null, which is a message too', message(json(null)), (h) => [rest(h)], null],
    ['a tombstone', message(bytes(''), { tombstone: true }), (h) => [onCreated(), rest(h, { schema: Amount })], null],
    [
      'a message through its schema, without what that does not know',
      message(json({ amount: 1, b: 2 })),
      (h) => [rest(h, { schema: Amount })],
      { amount: 1 },
    ],
    ['text', message(bytes('{"ä"')), (h) => [rest(h, { decode: 'text' })], '{"ä"'],
    ['text beside event handlers', message(bytes('hello')), (h) => [onCreated(), rest(h, { decode: 'text' })], 'hello'],
    ['bytes', message(new Uint8Array([0xff, 0])), (h) => [rest(h, { decode: 'bytes' })], new Uint8Array([0xff, 0])],
    [
      'what its own function makes of it',
      message(bytes('a;b'), { headers: { sep: ';' } }),
      (h) => [
        rest(h, {
          decode: (body: Uint8Array, headers: Record<string, string>) => new TextDecoder().decode(body).split(headers.sep as string),
        }),
      ],
      ['a', 'b'],
    ],
    [
      'no __proto__, however it is written',
      message(bytes('{"a":1,"__proto__":{"admin":true},"\\u005f_proto__":{"admin":true}}')),
      (h) => [rest(h)],
      { a: 1 },
    ],
  ])('%s', async (_, to, specs, expected) => {
    const got: unknown[] = []
    const { verdict } = await run(
      to,
      specs((input) => void got.push(input)),
    )
    expect(verdict).toEqual({ kind: 'ok' })
    expect(got).toEqual([expected])
    expect(Object.keys(Object(got[0]))).not.toContain('__proto__')
  })

  test.each<[string, Message, HandlerSpec[], object, string | undefined]>([
    ['no JSON', message(bytes('{')), [onCreated()], { kind: 'hopeless', reason: 'not-json' }, undefined],
    [
      'what its driver could not read, whatever the handler takes',
      { ...message(bytes('{}')), unreadable: 'compressed with x' },
      [rest(undefined, { decode: 'bytes' })],
      { kind: 'hopeless', reason: 'not-json', error: { code: 'CODEC', message: 'compressed with x' } },
      undefined,
    ],
    ['no UTF-8', message(new Uint8Array([0x22, 0xff, 0x22])), [rest()], { kind: 'hopeless', reason: 'not-json' }, undefined],
    ['an empty body', message(bytes('')), [rest()], { kind: 'hopeless', reason: 'not-json' }, undefined],
    [
      'no UTF-8, as text',
      message(new Uint8Array([0xff])),
      [rest(undefined, { decode: 'text' })],
      { kind: 'hopeless', reason: 'not-json' },
      undefined,
    ],
    [
      'a decode function that throws',
      message(bytes('x')),
      [rest(undefined, { decode: () => Buffer.alloc(-1) })],
      {
        kind: 'hopeless',
        reason: 'decode',
        error: { code: 'DECODE', message: expect.stringMatching(/^decode of .* failed: /) },
      },
      undefined,
    ],
    ['no envelope', message(json({ id: 1 })), [onCreated()], { kind: 'hopeless', reason: 'not-an-event' }, undefined],
    [
      'an envelope without data',
      message(json({ name: 'user.created' })),
      [onCreated()],
      { kind: 'hopeless', reason: 'not-an-event' },
      undefined,
    ],
    [
      'an event without a time and a source',
      message(json({ name: 'user.created', data: { id: 1 } })),
      [onCreated()],
      { kind: 'hopeless', reason: 'not-an-event', error: { message: 'the body is no event: it has no timestamp, and it has no source' } },
      'user.created',
    ],
    [
      'an event whose time is a number',
      message(json({ name: 'user.created', data: { id: 1 }, timestamp: 7, source: 's' })),
      [onCreated()],
      { kind: 'hopeless', reason: 'not-an-event', error: { message: 'the body is no event: its timestamp is no text but 7' } },
      'user.created',
    ],
    [
      'an event that fails its schema',
      message(envelope('user.created', { id: 'x' })),
      [onCreated(), rest()],
      { kind: 'hopeless', reason: 'schema' },
      'user.created',
    ],
    [
      'a message that fails its schema',
      message(json({})),
      [rest(undefined, { schema: Amount })],
      { kind: 'hopeless', reason: 'schema' },
      undefined,
    ],
    ['an unknown event', message(envelope('other', 1)), [onCreated()], { kind: 'skipped' }, 'other'],
    ['a tombstone for event handlers', message(bytes(''), { tombstone: true }), [onCreated()], { kind: 'skipped' }, undefined],
  ])('%s never reaches it', async (_, to, specs, verdict, event) => {
    const dispatched = await run(to, specs)
    expect(dispatched.verdict).toMatchObject(verdict)
    expect(dispatched.event).toBe(event)
  })

  test('an unknown event goes to the dead letters where the group says so', async () => {
    const { verdict } = await run(message(envelope('other', 1)), [eventSpec(Created, { unknown: 'deadLetter' }, () => undefined)])
    expect(verdict).toMatchObject({ kind: 'hopeless', reason: 'unknown-event' })
  })

  test('the context names the message; signal and session are this call’s own', async () => {
    const signal = AbortSignal.abort()
    let context: HandlerContext | undefined
    const spec = rest((_, given) => {
      context = given
    })
    const headers = { 'corebus-correlation': 'c1', foreign: 'x' }
    await run(message(json(1), { key: 'k', headers }), [spec], {
      call: { attempt: 3, signal },
      session: async (work) => work('tx' as never),
    })
    const { db, attempt, topic, key, id, group, signal: given, headers: seen } = context as HandlerContext
    expect({ db, attempt, topic, key, id, group, given, seen }).toEqual({
      db: 'tx',
      attempt: 3,
      topic: 't',
      key: 'k',
      id: 'm1',
      group: 'g',
      given: signal,
      seen: headers,
    })
    expect(context?.logger.bindings()).toMatchObject({ topic: 't', group: 'g', id: 'm1', attempt: 3, key: 'k', correlationId: 'c1' })
  })
})

describe('how a handler ends', () => {
  class Foreign extends Error {
    override name = 'RetryLater'
    ms = 7
  }
  const cause = new Error('no')
  const unreadableLater = Object.defineProperty(new RetryLater(1), 'ms', { get: () => assert.fail('ms') })
  test.each<[string, unknown, Partial<Call>, object]>([
    ['an error', cause, {}, { kind: 'failed', error: cause }],
    ['something that is no error', 'a string', {}, { kind: 'failed', error: new Error('a string') }],
    ['Reject', new Reject('never'), {}, { kind: 'hopeless', reason: 'rejected' }],
    ['RetryLater', new RetryLater(500), {}, { kind: 'later', afterMs: 500 }],
    ['RetryLater of another copy of the SDK', new Foreign(), {}, { kind: 'later', afterMs: 7 }],
    ['RetryLater whose time cannot be read', unreadableLater, {}, { kind: 'later', afterMs: Number.NaN }],
    ['an error after its signal was aborted at a shutdown', cause, { aborted: true }, { kind: 'unsettled', why: 'handed back' }],
    ['Reject after its signal was aborted at a shutdown', new Reject('x'), { aborted: true }, { kind: 'unsettled', why: 'handed back' }],
    ['an error of a message that was taken from us', cause, { aborted: true, forbidden: () => 'lost' }, { kind: 'unsettled', why: 'lost' }],
    [
      'Reject after the time-out',
      new Reject('x'),
      { aborted: true, forbidden: () => 'timed out' },
      { kind: 'failed', error: expect.objectContaining({ code: 'HANDLER_TIMEOUT' }) },
    ],
  ])('%s', async (_, thrown, call, expected) => {
    const spec = messageSpec({ topic: 't' }, () => {
      throw thrown
    })
    expect((await run(message(json(1)), [spec], { call })).verdict).toMatchObject(expected)
  })

  test.each<['timed out' | 'lost', object]>([
    ['timed out', { kind: 'failed' }],
    ['lost', { kind: 'unsettled', why: 'lost' }],
  ])('without an error, but %s: its session is rolled back', async (why, verdict) => {
    const log: string[] = []
    const spec = messageSpec({ topic: 't' }, () => undefined)
    expect((await run(message(json(1)), [spec], { session: loggingSession(log), call: { forbidden: () => why } })).verdict).toMatchObject(
      verdict,
    )
    expect(log).toEqual([expect.stringMatching(/^rollback/)])
  })
})

describe('a decoder that has waited too long, or was waiting at a shutdown', () => {
  const decode = async () => Promise.reject(new Error('the registry did not answer'))
  test.each<[string, Partial<Call>, object]>([
    [
      'fails as its handler would after the time-out',
      { aborted: true, forbidden: () => 'timed out' },
      { kind: 'failed', error: { code: 'HANDLER_TIMEOUT', cause: { message: expect.stringContaining('the registry did not answer') } } },
    ],
    ['hands back what was stopped', { aborted: true }, { kind: 'unsettled', why: 'handed back' }],
    ['settles nothing that was taken from us', { forbidden: () => 'lost' }, { kind: 'unsettled', why: 'lost' }],
    ['makes a dead letter otherwise', {}, { kind: 'hopeless', reason: 'decode' }],
  ])('%s', async (_, call, expected) => {
    expect((await run(message(json(1)), [messageSpec({ topic: 't', decode }, () => 1)], { call })).verdict).toMatchObject(expected)
  })
})

describe('a message that timed out, was stopped or was taken from us while its session was opened or its inbox asked', () => {
  test.each<[string, Partial<Call>, object]>([
    ['counts as a failure after the time-out', { forbidden: () => 'timed out' }, { kind: 'failed', error: { code: 'HANDLER_TIMEOUT' } }],
    ['is handed back at a shutdown', {}, { kind: 'unsettled', why: 'handed back' }],
    ["is not settled when it is somebody else's", { forbidden: () => 'lost' }, { kind: 'unsettled', why: 'lost' }],
  ])('%s, and its handler does not begin', async (_, call, expected) => {
    for (const inbox of [undefined, { firstTime: async () => true }]) {
      const log: string[] = []
      const spec = messageSpec({ topic: 't' }, () => void log.push('handled'))
      const given = { session: loggingSession(log), inbox, call: { aborted: true, ...call } }
      expect((await run(message(json(1)), [spec], given)).verdict).toMatchObject(expected)
      expect(log).toEqual([expect.stringMatching(/^rollback/)])
    }
  })
})

describe('what is waited for', () => {
  /** As the queries of a builder: nothing is done until somebody waits for it. */
  const lazily = (done: () => void): PromiseLike<void> => ({
    // biome-ignore lint/suspicious/noThenProperty: that is what they are
    then: (resolve) => Promise.resolve().then(done).then(resolve),
  })

  test('a handler that returns nothing, or throws, has ended when it returns', () => {
    expect(atOnce(() => undefined)).toMatchObject({ verdict: { kind: 'ok' } })
    expect(atOnce(() => 'a value')).toMatchObject({ verdict: { kind: 'ok' } })
    expect(
      atOnce(
        () => undefined,
        (body) => body.length,
      ),
    ).toMatchObject({ verdict: { kind: 'ok' } })
    expect(
      atOnce(
        () => undefined,
        async (body) => body.length,
      ),
    ).toBeInstanceOf(Promise)
    const thrown = () => {
      throw new Error('no')
    }
    expect(atOnce(thrown)).toMatchObject({ verdict: { kind: 'failed', error: new Error('no') } })
  })

  test('what it returns is waited for, also what only begins then', async () => {
    const log: string[] = []
    const lazy = atOnce(() => lazily(() => log.push('done')))
    expect(log).toEqual([])
    expect([await lazy, log]).toMatchObject([{ verdict: { kind: 'ok' } }, ['done']])
    const callable = Object.assign(
      () => {},
      lazily(() => log.push('by a function')),
    )
    expect([await atOnce(() => callable), log.at(-1)]).toMatchObject([{ verdict: { kind: 'ok' } }, 'by a function'])
    expect(await atOnce(() => Promise.reject(new Error('late')))).toMatchObject({ verdict: { kind: 'failed', error: new Error('late') } })
  })

  test('an inbox of plain JavaScript that answers at once is as good as one that has to be waited for', async () => {
    const inbox = { firstTime: () => false } as unknown as Inbox
    const spec = messageSpec({ topic: 't' }, () => Promise.reject(new Error('handled twice')))
    expect((await run(message(json(1)), [spec], { inbox, session: (work) => work(undefined) })).verdict).toEqual({ kind: 'duplicate' })
  })
})

describe('session, inbox, outbox and scope', () => {
  const recording = (out: Outlet, times = 1) =>
    messageSpec({ topic: 't' }, () => {
      for (let i = 0; i < times; i++) record({ message: message(json(i), { id: nextIdIn(currentScope() as Scope) ?? '?' }), outlet: out })
    })
  const id = (n: number) => derivedId('t', 'm1', 'g', n)

  test('decode, session, inbox, handler, outbox, commit: in this order', async () => {
    const log: string[] = []
    const { outlet: out } = outlet(log, {
      write: async (db, messages) => void log.push(`outbox ${db} ${messages.map(({ message }) => message.id)}`),
    })
    const spec = messageSpec({ topic: 't' }, () => {
      log.push('handler')
      record({ message: message(json(1), { id: 'o1' }), outlet: out })
    })
    const { verdict } = await run(message(json(1)), [spec], {
      outlet: out,
      session: async (work) => {
        log.push('begin')
        const result = await work('tx' as never)
        log.push('commit')
        return result
      },
      inbox: { firstTime: async (db, group, { id: of }) => log.push(`inbox ${db} ${group} ${of}`) > 0 },
    })
    expect(verdict).toEqual({ kind: 'ok' })
    expect(log).toEqual(['begin', 'inbox tx g m1', 'handler', 'outbox tx o1', 'commit'])
  })

  test('what the inbox knows is not handled again, and its session ends well', async () => {
    const spec = messageSpec({ topic: 't' }, () => Promise.reject(new Error('handled twice')))
    const { verdict } = await run(message(json(1)), [spec], {
      session: (work) => work(undefined as never),
      inbox: { firstTime: async () => false },
    })
    expect(verdict).toEqual({ kind: 'duplicate' })
  })

  test('what was recorded leaves after the commit, confirmed, under the same ids for a redelivery', async () => {
    const { outlet: out, log } = outlet()
    const session: DispatchOptions['session'] = async (work) => {
      const result = await work(undefined)
      log.push('commit')
      return result
    }
    await run(message(json(1)), [recording(out, 2)], { session, outlet: out })
    await run(message(json(1)), [recording(out, 2)], { session, outlet: out })
    const once = ['commit', `published ${id(0)}`, `published ${id(1)}`]
    expect(log).toEqual([...once, ...once])
  })

  test('a message without an id is handled without the inbox, and what it publishes gets ids of its own', async () => {
    const ids: (string | undefined)[] = []
    const spec = messageSpec({ topic: 't' }, () => {
      const scope = currentScope() as Scope
      ids.push(nextIdIn(scope), scope.correlationId, scope.causationId)
    })
    const { verdict } = await run(message(json(1), { id: '' }), [spec], {
      session: (work) => work(undefined as never),
      inbox: { firstTime: async () => false },
    })
    expect([verdict, ids]).toEqual([{ kind: 'ok' }, [undefined, undefined, undefined]])
  })

  test('ids of any length are told to the handler, and go into what it publishes up to 1,000 characters', async () => {
    const seen: unknown[] = []
    const spec = messageSpec({ topic: 't' }, (_, { id, headers }) => {
      const { correlationId, causationId } = currentScope() as Scope
      seen.push([id.length, headers['corebus-correlation']?.length, correlationId?.length, causationId?.length])
    })
    const lengths = async (id: number, correlation: number) => {
      const headers = { 'corebus-correlation': 'c'.repeat(correlation) }
      await run(message(json(1), { id: 'i'.repeat(id), headers }), [spec])
    }
    await lengths(1_000, 1_000)
    await lengths(1_000, 1_001)
    await lengths(40_000, 1_000)
    await lengths(40_000, 40_000)
    expect(seen).toEqual([
      [1_000, 1_000, 1_000, 1_000],
      [1_000, 1_001, 1_000, 1_000],
      [40_000, 1_000, 1_000, undefined],
      [40_000, 40_000, undefined, undefined],
    ])
  })

  test('what was recorded is discarded with the rollback, also when the commit fails', async () => {
    const { outlet: out, log } = outlet()
    const { verdict } = await run(message(json(1)), [recording(out)], {
      outlet: out,
      session: (work) => work(undefined).then(() => Promise.reject(new Error('commit failed'))),
    })
    expect(verdict).toMatchObject({ kind: 'failed', error: new Error('commit failed') })
    expect(log).toEqual([])
  })

  test('a session that runs its work again publishes once', async () => {
    const { outlet: out, log } = outlet()
    const again: DispatchOptions['session'] = async (work) => {
      await work(undefined)
      return work(undefined)
    }
    await run(message(json(1)), [recording(out)], { outlet: out, session: again })
    expect(log).toEqual([`published ${id(0)}`])
  })

  test('a publish that fails after the commit is a failure: the message comes again', async () => {
    const { outlet: out } = outlet()
    const failing = { ...out, publish: () => Promise.reject(new Error('no broker')) }
    expect((await run(message(json(1)), [recording(failing)], { outlet: failing })).verdict).toMatchObject({
      kind: 'failed',
      error: new Error('no broker'),
    })
  })

  test('the outbox gets what its own instance publishes; what another publishes leaves after the commit', async () => {
    const written: string[] = []
    const [ours, others] = [
      outlet([], { write: async (_, messages) => void written.push(...messages.map(({ message }) => message.id)) }),
      outlet(),
    ]
    const spec = messageSpec({ topic: 't' }, () => {
      record({ message: message(json(1), { id: 'ours' }), outlet: ours.outlet })
      record({ message: message(json(1), { id: 'others' }), outlet: others.outlet })
    })
    await run(message(json(1)), [spec], { outlet: ours.outlet, session: (work) => work(undefined as never) })
    expect([written, ours.log, others.log]).toEqual([['ours'], [], ['published others']])
  })

  test('what code records that outlives its handler leaves at once', async () => {
    const { outlet: out, log } = outlet()
    const later = Promise.withResolvers<void>()
    let done: Promise<void> | undefined
    const spec = messageSpec({ topic: 't' }, () => {
      done = later.promise.then(() => record({ message: message(json(1), { id: 'late' }), outlet: out }))
    })
    await run(message(json(1)), [spec], { outlet: out, session: (work) => work(undefined as never) })
    later.resolve()
    await done
    expect(log).toEqual(['in background late'])
  })

  test.each<[string, DispatchOptions['session']]>([
    ['never runs its work', async () => undefined as never],
    ['swallows its error', (work) => work(undefined).catch(() => undefined as never)],
  ])('a session that %s acknowledges nothing', async (_, session) => {
    const spec = messageSpec({ topic: 't' }, () => Promise.reject(new Error('no')))
    expect((await run(message(json(1)), [spec], { session })).verdict).toMatchObject({ kind: 'failed', error: { code: 'SESSION' } })
  })

  test('a session that forgets to return the result is fine', async () => {
    const session: DispatchOptions['session'] = async (work) => {
      await work(undefined)
      return undefined as never
    }
    expect((await run(message(json(1)), [messageSpec({ topic: 't' }, () => undefined)], { session })).verdict).toEqual({ kind: 'ok' })
  })

  test('code that outlives its handler has no session any more', async () => {
    let open: (() => Open | undefined) | undefined
    const spec = messageSpec({ topic: 't' }, () => {
      const scope = currentScope()
      open = () => scope?.open
      expect(open()).toMatchObject({ db: undefined, reads: false })
    })
    expect((await run(message(json(1)), [spec], { session: (work) => work(undefined as never) })).verdict).toEqual({ kind: 'ok' })
    expect(open?.()).toBeUndefined()
  })
})

describe('middleware', () => {
  test('wraps the handler call, the first outermost, inside of the session', async () => {
    const log: string[] = []
    const layer =
      (name: string): DispatchOptions['middleware'][number] =>
      async ({ handler, input, context }, next) => {
        log.push(`${name} ${handler.split(' ')[0]} ${JSON.stringify(input)} ${context.db}`)
        await next()
        log.push(`${name} after`)
      }
    const spec = messageSpec({ topic: 't' }, function charge() {
      log.push('handler')
    })
    await run(message(json({ a: 1 })), [spec], { middleware: [layer('one'), layer('two')], session: async (work) => work('tx' as never) })
    expect(log).toEqual(['one charge {"a":1} tx', 'two charge {"a":1} tx', 'handler', 'two after', 'one after'])
  })

  test('its error is the handler’s', async () => {
    const refuse: DispatchOptions['middleware'][number] = () => Promise.reject(new Reject('not here'))
    expect((await run(message(json(1)), [messageSpec({ topic: 't' }, () => undefined)], { middleware: [refuse] })).verdict).toMatchObject({
      kind: 'hopeless',
      reason: 'rejected',
    })
  })
})

import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { allSettled, collector, deadLetters, loggingSession, onMemory, quiet, until } from '../test/kit.ts'
import type { Driver } from './driver.ts'
import { memoryDriver } from './drivers/memory/driver.ts'
import { PublishError, RetryLater } from './errors.ts'
import type { HandlerContext } from './handlers/handler.ts'
import { VirtualClock } from './testing/virtual-clock.ts'
import { defineEvent } from './wire/event-type.ts'
import { newId } from './wire/id.ts'

const UserCreated = defineEvent('user.created', z.object({ id: z.number(), email: z.string() }), { topic: 'user-events', key: 'id' })

/** Collects what a handler was called with. */
function recorder<In = unknown>(work: (input: In, context: HandlerContext, call: number) => unknown = () => undefined) {
  const calls: { input: In; context: HandlerContext }[] = []
  const handler = (input: In, context: HandlerContext) => {
    calls.push({ input, context })
    return work(input, context, calls.length)
  }
  const times = (count: number) =>
    until(
      () => calls.length >= count,
      () => calls.map(({ input }) => input),
    )
  return { calls, handler, times }
}

describe('publishing and handling', () => {
  test('an event reaches its handler, decoded, with its context', async () => {
    const messaging = onMemory()
    const seen = recorder()
    messaging.on(UserCreated, { group: 'orders' }, seen.handler)
    await messaging.start()
    await messaging.publishEvent(UserCreated, { id: 1, email: 'a@b.io' }, { headers: { tenant: 'x' }, id: 'm1' })
    await seen.times(1)
    expect(seen.calls[0]?.input).toEqual({
      name: 'user.created',
      data: { id: 1, email: 'a@b.io' },
      timestamp: expect.stringMatching(/Z$/),
      source: 'test',
    })
    const [first] = seen.calls.map(({ context }) => context)
    const { attempt, key, topic, group, id, headers } = first as HandlerContext
    expect({ attempt, key, topic, group, id }).toEqual({
      attempt: 1,
      key: '1',
      topic: 'user-events',
      group: 'orders',
      id: 'm1',
    })
    expect(headers).toMatchObject({ tenant: 'x' })
  })

  test('whatever takes a definition takes a name too', async () => {
    const messaging = onMemory({ defaultTopic: 'events' })
    const [by, whole] = [recorder<{ data: unknown }>(), recorder<{ name: string }>()]
    messaging.on('user.updated', { topic: ['user-events', 'events'] }, by.handler as never)
    messaging.handle({ topic: 'user-events', group: 'audit' }, whole.handler)
    await messaging.start()
    await messaging.publishEvent('user.updated', { id: 1 }, { topic: 'user-events', key: 'k' })
    messaging.emit('user.updated', { id: 2 })
    await by.times(2)
    await whole.times(1)
    expect(by.calls.map(({ input, context }) => [context.topic, input.data, context.key]).sort()).toEqual([
      ['events', { id: 2 }, undefined],
      ['user-events', { id: 1 }, 'k'],
    ])
    expect(whole.calls[0]?.input).toMatchObject({ name: 'user.updated', data: { id: 1 }, source: 'test' })
  })

  test('send publishes the message itself; a tombstone is null', async () => {
    const messaging = onMemory()
    const seen = recorder()
    messaging.handle({ topic: ['a', 'b'] }, seen.handler)
    await messaging.start()
    await messaging.getProducer().send('a', { n: 1 }, { key: 1 })
    await messaging.getProducer().send('b', null, { key: 1 })
    await seen.times(2)
    expect(seen.calls.map(({ input }) => input)).toEqual([{ n: 1 }, null])
  })

  test('sendAll keeps its order and names what failed; the others are there once', async () => {
    const messaging = onMemory({ maxBytes: 500 })
    const seen = recorder<{ n: number }>()
    messaging.handle({ topic: 't', concurrency: 1 }, seen.handler)
    await messaging.start()
    const messages = Array.from({ length: 10 }, (_, n) => ({ message: { n, text: n === 4 ? 'x'.repeat(500) : '' }, id: `m${n}` }))
    const error = await messaging
      .getProducer()
      .sendAll('t', messages)
      .catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(PublishError)
    expect((error as PublishError).failures).toEqual([{ id: 'm4', permanent: true, cause: expect.objectContaining({ code: 'TOO_LARGE' }) }])
    await seen.times(9)
    await quiet(50)
    expect(seen.calls.map(({ input }) => input.n)).toEqual([0, 1, 2, 3, 5, 6, 7, 8, 9])
    expect(messaging.counters).toMatchObject({ published: 9 })
  })

  test('correlation and causation travel from message to message', async () => {
    const messaging = onMemory()
    const [first, second] = [
      recorder((_, { id }) => messaging.emit('b', id, { topic: 'b' })),
      recorder((_, { id }) => messaging.getProducer().send('c', id)),
    ]
    const third = recorder()
    messaging.handle({ topic: 'a' }, first.handler)
    messaging.handle({ topic: 'b' }, second.handler)
    messaging.handle({ topic: 'c' }, third.handler)
    await messaging.start()
    await messaging.getProducer().send('a', {}, { correlationId: 'request-1' })
    await third.times(1)
    const [a, b, c] = [first, second, third].map(({ calls }) => calls[0]?.context as HandlerContext) as [
      HandlerContext,
      HandlerContext,
      HandlerContext,
    ]
    expect([a, b, c].map(({ headers }) => headers['corebus-correlation'])).toEqual(['request-1', 'request-1', 'request-1'])
    expect([a, b, c].map(({ headers }) => headers['corebus-causation'])).toEqual([undefined, a.id, b.id])
  })

  test('a group reads on from where it was; a new group with latest begins now', async () => {
    const url = `memory://${newId()}`
    const [one, two] = [onMemory({ url }), onMemory({ url })]
    const [early, late] = [recorder(), recorder()]
    await one.getProducer().send('t', 'before')
    one.handle({ topic: 't', group: 'early' }, early.handler)
    await one.start()
    await early.times(1)
    two.handle({ topic: 't', group: 'late', from: 'latest' }, late.handler)
    await two.start()
    await one.getProducer().send('t', 'after')
    await late.times(1)
    await early.times(2)
    expect([early, late].map(({ calls }) => calls.map(({ input }) => input))).toEqual([['before', 'after'], ['after']])
  })
})

describe('middleware', () => {
  test('wraps publish and the handler call, the first one outermost', async () => {
    const messaging = onMemory()
    const log: string[] = []
    for (const name of ['one', 'two'])
      messaging.use({
        publish: async (message, next) => {
          log.push(`${name} publish ${message.headers.by ?? '-'}`)
          await next({ ...message, headers: { ...message.headers, by: name } })
          log.push(`${name} confirmed`)
        },
        handle: async ({ context }, next) => {
          log.push(`${name} handle ${context.headers.by}`)
          const result = await next()
          log.push(`${name} handled ${result}`)
          return result
        },
      })
    messaging.handle({ topic: 't' }, () => 'result')
    await messaging.start()
    await messaging.getProducer().send('t', {})
    await until(
      () => log.length === 8,
      () => log,
    )
    expect(log.filter((line) => !line.includes('handle'))).toEqual(['one publish -', 'two publish one', 'two confirmed', 'one confirmed'])
    expect(log.filter((line) => line.includes('handle'))).toEqual([
      'one handle two',
      'two handle two',
      'two handled result',
      'one handled result',
    ])
  })

  test('that waits changes no order, and one that refuses names its message', async () => {
    const messaging = onMemory()
    messaging.use({
      publish: async (message, next) => {
        const n = Number(Buffer.from(message.body).toString())
        for (let turn = 0; turn < 8 - n; turn++) await new Promise(setImmediate)
        if (n === 0 || n === 5) throw new Error(`refused ${n}`)
        await next({ ...message, id: `changed-${n}` })
      },
    })
    const seen = recorder<number>()
    messaging.handle({ topic: 't', concurrency: 1 }, seen.handler)
    await messaging.start()
    const sent = messaging.getProducer().sendAll(
      't',
      Array.from({ length: 8 }, (_, n) => ({ message: n, id: `m${n}` })),
    )
    await expect(sent).rejects.toMatchObject({
      failures: [
        { id: 'm0', permanent: true, cause: new Error('refused 0') },
        { id: 'm5', cause: new Error('refused 5') },
      ],
    })
    await seen.times(6)
    expect(seen.calls.map(({ input }) => input)).toEqual([1, 2, 3, 4, 6, 7])
  })

  test('changes no code of a failure', async () => {
    const messaging = onMemory({ publish: { maxPending: 1 } })
    messaging.use({ publish: (message, next) => next(message) })
    const messages = [{ message: 1 }, { message: 2 }]
    await expect(messaging.getProducer().sendAll('t', messages)).rejects.toMatchObject({
      code: 'BACKPRESSURE',
      failures: [expect.anything()],
    })
  })

  test('that throws at once is a failed publish like any other', async () => {
    const messaging = onMemory()
    messaging.use({
      publish: () => {
        throw new Error('no')
      },
    })
    await expect(messaging.getProducer().send('t', 1)).rejects.toBeInstanceOf(PublishError)
  })
})

describe('what nobody handles, and what cannot be read', () => {
  test('an event name nobody handles is acknowledged, counted, and said once per name', async () => {
    const { logger, lines } = collector('info')
    const messaging = onMemory({ logger })
    messaging.on(UserCreated, { group: 'g' }, () => undefined)
    await messaging.start()
    for (const name of ['user.deleted', 'user.deleted', 'user.moved']) await messaging.publishEvent(name, {}, { topic: 'user-events' })
    await messaging.getProducer().send('user-events', null, { key: 1 })
    await until(
      () => messaging.counters.skipped === 4,
      () => messaging.counters,
    )
    const said = lines.map(({ msg }) => msg).filter((msg) => msg.startsWith('skipped'))
    expect(said).toEqual([
      expect.stringMatching(/^skipped user\.deleted from user-events: nobody in the group handles event user\.deleted/),
      expect.stringMatching(/^skipped user\.moved/),
      expect.stringMatching(/^skipped a message from user-events: a tombstone/),
    ])
    await allSettled(messaging, 'user-events', 'g')
  })

  test.each<[string, (messaging: ReturnType<typeof onMemory>) => Promise<void>, string]>([
    ['no JSON', (m) => m.getProducer().send('user-events', Buffer.from('{')), 'not-json'],
    ['no event', (m) => m.getProducer().send('user-events', { id: 1 }), 'not-an-event'],
    ['another shape', (m) => m.publishEvent('user.created', { id: 'x' }, { topic: 'user-events' }), 'schema'],
  ])('%s goes to the dead letters at the first attempt', async (_, publish, reason) => {
    const messaging = onMemory()
    messaging.on(UserCreated, {}, () => undefined)
    await messaging.start()
    await publish(messaging)
    await until(
      () => messaging.counters.dead === 1,
      () => messaging.counters,
    )
    expect(messaging.counters).toMatchObject({ retried: 0, handled: 0 })
    expect(
      (await deadLetters(messaging)).map(({ message }) => [message.headers['corebus-reason'], message.headers['corebus-attempt']]),
    ).toEqual([[reason, '1']])
  })

  test('without dead letters it is logged with its place, and dropped', async () => {
    const { logger, lines } = collector('error')
    const messaging = onMemory({ logger, deadLetter: false })
    messaging.on(UserCreated, { group: 'g' }, () => undefined)
    await messaging.start()
    await messaging.getProducer().send('user-events', Buffer.from('{'), { id: 'm1' })
    await until(
      () => messaging.counters.dropped === 1,
      () => messaging.counters,
    )
    expect(lines).toEqual([
      expect.objectContaining({ id: 'm1', topic: 'user-events', group: 'g', reason: 'not-json', msg: expect.stringMatching(/^dropped/) }),
    ])
  })
})

describe('retries', () => {
  test('RetryLater spends no attempt, and the thousand and first is a failure', async () => {
    const clock = new VirtualClock()
    const messaging = onMemory({ clock, maxRetries: 1, retryDelayMs: 200 })
    const attempts: number[] = []
    messaging.handle({ topic: 't' }, (_, { attempt }) => {
      attempts.push(attempt)
      throw new RetryLater(150)
    })
    await messaging.start()
    await messaging.getProducer().send('t', 1)
    await clock.advance(200 * 998)
    const before = [attempts.length, messaging.counters.snoozed]
    await clock.advance(200 * 10)
    expect(before).toEqual([999, 999])
    expect([attempts.length, attempts.at(-1), messaging.counters.snoozed, messaging.counters.dead]).toEqual([1_002, 2, 1_000, 1])
  })

  describe('with ordering by key', () => {
    test('a failed message keeps its key waiting in order; other keys go on, however many wait', async () => {
      const clock = new VirtualClock()
      const messaging = onMemory({ clock })
      const calls: string[] = []
      messaging.handle({ topic: 't', ordering: 'key', concurrency: 1, maxRetries: 2, retryDelayMs: 1_000 }, (message, { key, attempt }) => {
        calls.push(`${key}${message} ${attempt}`)
        if (key?.startsWith('bad') && attempt < 3) throw new Error('no')
      })
      await messaging.start()
      const bad = Array.from({ length: 5 }, (_, i) => ({ message: 1, key: `bad${i}` }))
      await messaging
        .getProducer()
        .sendAll('t', [
          ...bad,
          { message: 2, key: 'bad0' },
          { message: 3, key: 'bad0' },
          { message: 1, key: 'good' },
          { message: 2, key: 'good' },
        ])
      await clock.advance(500)
      expect(calls).toEqual(['bad01 1', 'bad11 1', 'bad21 1', 'bad31 1', 'bad41 1', 'good1 1', 'good2 1'])
      await clock.advance(2_000)
      expect(calls.filter((call) => call.startsWith('bad0'))).toEqual(
        ['bad01 1', 'bad01 2', 'bad01 3', 'bad02 1', 'bad02 2', 'bad02 3', 'bad03 1', 'bad03 2', 'bad03 3'].slice(0, 4),
      )
      await clock.advance(10_000)
      expect(calls.filter((call) => call.startsWith('bad0'))).toEqual([
        'bad01 1',
        'bad01 2',
        'bad01 3',
        'bad02 1',
        'bad02 2',
        'bad02 3',
        'bad03 1',
        'bad03 2',
        'bad03 3',
      ])
      expect(messaging.counters).toMatchObject({ handled: 9, dead: 0 })
    })

    test('a message that gives up leaves its key to the next', async () => {
      const clock = new VirtualClock()
      const messaging = onMemory({ clock })
      const seen: string[] = []
      messaging.handle({ topic: 't', ordering: 'key', maxRetries: 1, retryDelayMs: 10 }, (message, { attempt }) => {
        seen.push(`${message} ${attempt}`)
        if (message === 'bad') throw new Error('no')
      })
      await messaging.start()
      await messaging.getProducer().sendAll(
        't',
        ['bad', 'good'].map((message) => ({ message, key: 1 })),
      )
      await clock.advance(1_000)
      expect(seen).toEqual(['bad 1', 'bad 2', 'good 1'])
      expect((await deadLetters(messaging)).map(({ message }) => message.headers['corebus-attempt'])).toEqual(['2'])
    })

    test('snoozes are counted in the lane too', async () => {
      const clock = new VirtualClock()
      const messaging = onMemory({ clock, maxRetries: 0, retryDelayMs: 100 })
      messaging.handle({ topic: 't', ordering: 'key' }, () => {
        throw new RetryLater(100)
      })
      await messaging.start()
      await messaging.getProducer().send('t', 1, { key: 1 })
      await clock.advance(100 * 1_001)
      expect(messaging.counters).toMatchObject({ snoozed: 1_000, dead: 1 })
    })
  })
})

describe('start', () => {
  test('says so when it is called twice, and when something is registered after it', async () => {
    const messaging = onMemory()
    messaging.handle({ topic: 't' }, () => undefined)
    await messaging.start()
    await expect(messaging.start()).rejects.toMatchObject({ code: 'STARTED', message: expect.stringMatching(/start was called before/) })
    expect(() => messaging.on(UserCreated, {}, function welcome() {})).toThrow(
      /^welcome \(on\(user\.created\)\) at .*messaging\.test\.ts:\d+ was registered after start/,
    )
  })

  test('that failed on a mistake may be tried again', async () => {
    const messaging = onMemory()
    await expect(messaging.start()).rejects.toMatchObject({ code: 'NO_HANDLERS' })
    messaging.handle({ topic: 't' }, () => undefined)
    await expect(messaging.start({ concurrency: 0 })).rejects.toMatchObject({ code: 'OPTION' })
    await messaging.start()
    expect(messaging.health()).toMatchObject({ live: true, ready: true, groups: [{ group: 'test', state: 'consuming' }] })
  })

  test('that failed half-way leaves nothing running, and close tidies up', async () => {
    const url = `memory://${newId()}`
    const log: string[] = []
    const first = onMemory({ url })
    first.handle({ topic: 'b', group: 'b', ordering: 'key' }, () => undefined)
    await first.start()
    // The memory broker keeps order across members; a driver that does not would refuse a second one. Here a handler class cannot be made.
    const second = onMemory({ url, onStart: () => Promise.reject(new Error('no database')), onClose: () => void log.push('closed') })
    second.handle({ topic: 'a', group: 'a' }, () => void log.push('handled'))
    await expect(second.start()).rejects.toThrow('no database')
    await second.getProducer().send('a', 1)
    await quiet(50)
    await second.close()
    expect(log).toEqual(['closed'])
  })

  test('runs onStart before the first handler, and onClose after the last', async () => {
    const log: string[] = []
    const messaging = onMemory({
      onStart: async () => void log.push('start'),
      onClose: async () => void log.push('close'),
      shutdownMs: 5_000,
    })
    const release = Promise.withResolvers<void>()
    messaging.handle({ topic: 't' }, async () => {
      log.push('handling')
      await release.promise
      log.push('handled')
    })
    await messaging.getProducer().send('t', 1)
    await messaging.start()
    await until(
      () => log.length === 2,
      () => log,
    )
    const closing = messaging.close()
    release.resolve()
    await closing
    expect(log).toEqual(['start', 'handling', 'handled', 'close'])
  })

  test('runs what is named; a group that joins says what waits for it', async () => {
    const { logger, lines } = collector('info')
    const messaging = onMemory({ logger })
    const seen = recorder()
    messaging.handle({ topic: 'a', group: 'g' }, seen.handler)
    messaging.handle({ topic: 'b', group: 'g', autoStart: false }, seen.handler)
    messaging.handle({ topic: 'c', group: 'h', from: 'latest' }, seen.handler)
    for (const topic of ['a', 'b', 'b', 'c']) await messaging.getProducer().send(topic, topic)
    await messaging.start({ topics: ['b', 'c'] })
    await seen.times(2)
    await quiet(50)
    expect(seen.calls.map(({ input }) => input)).toEqual(['b', 'b'])
    expect(lines.filter(({ msg }) => msg.includes('joins'))).toEqual([
      expect.objectContaining({
        group: 'g',
        topic: 'b',
        waiting: 2,
        msg: expect.stringMatching(/^group g joins b for the first time: 2 messages wait, the oldest for 0 s$/),
      }),
    ])
  })
})

describe('close', () => {
  test('is safe twice, before anything and during start', async () => {
    const unused = onMemory()
    await Promise.all([unused.close(), unused.close()])
    const messaging = onMemory()
    messaging.handle({ topic: 't' }, () => undefined)
    const started = messaging.start().catch((error: unknown) => error)
    await Promise.all([messaging.close(), messaging.close()])
    expect(await started).toMatchObject({ code: 'CLOSED' })
    await expect(messaging.start()).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(messaging.getProducer().send('t', 1)).rejects.toMatchObject({ code: 'CLOSED' })
    expect(messaging.health()).toMatchObject({ ready: false })
  })

  test('drains what was emitted, also when middleware still waits', async () => {
    const { logger, lines } = collector('error')
    const messaging = onMemory({ logger })
    messaging.use({
      publish: async (message, next) => {
        await quiet(20)
        await next(message)
      },
    })
    messaging.emit('x', 1, { topic: 't' })
    await messaging.close()
    expect([messaging.counters.published, lines]).toEqual([1, []])
  })

  test('hands back what does not finish in time: no attempt spent, never dead-lettered, also at its last attempt', async () => {
    const url = `memory://${newId()}`
    const log: string[] = []
    const first = onMemory({
      url,
      shutdownMs: 30,
      session: loggingSession(log),
    })
    let aborted: unknown
    first.handle({ topic: 't', group: 'g', maxRetries: 0 }, async (_, { signal }) => {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
      aborted = signal.reason
      throw new Error('stopped')
    })
    await first.start()
    await first.getProducer().send('t', 1)
    await until(
      () => first.health().groups[0]?.running === 1,
      () => first.health(),
    )
    await first.close()
    expect(aborted).toMatchObject({ code: 'SHUTDOWN' })

    const second = onMemory({ url })
    const seen = recorder()
    second.handle({ topic: 't', group: 'g', maxRetries: 0 }, seen.handler)
    await second.start()
    await seen.times(1)
    expect(seen.calls[0]?.context.attempt).toBe(1)
    expect([log, first.counters.dead, await deadLetters(second)]).toEqual([['rollback: stopped'], 0, []])
  })

  test('a handler that ignores its signal cannot commit after it was handed back', async () => {
    const log: string[] = []
    const held = Promise.withResolvers<void>()
    const messaging = onMemory({
      shutdownMs: 10,
      abortGraceMs: 10,
      session: loggingSession(log),
    })
    messaging.handle({ topic: 't' }, () => held.promise)
    await messaging.start()
    await messaging.getProducer().send('t', 1)
    await until(
      () => messaging.health().groups[0]?.running === 1,
      () => messaging.health(),
    )
    await messaging.close()
    held.resolve()
    await until(
      () => log.length > 0,
      () => log,
    )
    expect(log).toEqual([expect.stringMatching(/^rollback: .*taken from us/)])
  })
})

describe('a handler that takes too long', () => {
  test('is told by its signal, rolled back when it ends, and called again', async () => {
    const log: string[] = []
    const messaging = onMemory({
      handlerTimeoutMs: 50,
      retryDelayMs: 1,
      abortGraceMs: 10_000,
      session: loggingSession(log),
    })
    const seen = recorder(async (_, { signal }, call) => {
      if (call > 1) return
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
      log.push(`signal ${(signal.reason as { code: string }).code}`)
      await quiet(30)
      log.push('writes on')
    })
    messaging.handle({ topic: 't', concurrency: 5 }, seen.handler)
    await messaging.start()
    await messaging.getProducer().send('t', 1)
    await seen.times(2)
    await until(
      () => log.length === 4,
      () => log,
    )
    expect(log).toEqual(['signal HANDLER_TIMEOUT', 'writes on', expect.stringMatching(/^rollback: .*handlerTimeoutMs/), 'commit'])
    expect(seen.calls.map(({ context }) => context.attempt)).toEqual([1, 2])
  })

  test('and never ends makes the process unfit: no new work, what else runs is finished, the host is told once', async () => {
    const { logger, lines } = collector('error')
    const messaging = onMemory({ handlerTimeoutMs: 200, abortGraceMs: 50, logger, concurrency: 5 })
    const held = Promise.withResolvers<void>()
    const log: string[] = []
    messaging.handle({ topic: 'stuck', group: 'a' }, () => held.promise)
    messaging.handle({ topic: 'fine', group: 'b' }, async (n) => {
      log.push(`started ${n}`)
      await quiet(100)
      log.push(`finished ${n}`)
    })
    const told: string[] = []
    await messaging.start({ onStuck: (what) => void told.push(`${what}; ${log.at(-1)}`) })
    const producer = messaging.getProducer()
    await producer.sendAll('stuck', [{ message: 1, id: 'm1' }])
    const stop = new AbortController()
    const feeding = (async () => {
      for (let n = 0; !stop.signal.aborted; n++) {
        await producer.send('fine', n)
        await quiet(10)
      }
    })()
    await until(
      () => told.length > 0,
      () => [told, messaging.health()],
    )
    stop.abort()
    await feeding
    await quiet(150)
    const [started, finished] = ['started', 'finished'].map((word) => log.filter((line) => line.startsWith(word)).length)
    expect(started).toBe(finished)
    expect(told).toEqual([
      expect.stringMatching(/^a handler of a still runs after its time-out and grace, on message m1 of stuck; finished/),
    ])
    expect(messaging.health()).toMatchObject({ live: false, ready: false })
    expect(lines.map(({ msg }) => msg)).toEqual([expect.stringMatching(/JavaScript cannot stop it/)])
    // It ends after all: this process takes no work all the same, so it must not be called live.
    held.resolve()
    await quiet(50)
    expect(messaging.health().live).toBe(false)
  })
})

describe('health', () => {
  test('is ready when it consumes, and not while it starts or after', async () => {
    const messaging = onMemory()
    messaging.handle({ topic: 't', group: 'g' }, () => undefined)
    const started = messaging.start()
    expect(messaging.health()).toMatchObject({ live: true, ready: false, reasons: [expect.any(String), 'starting'], groups: [] })
    await started
    expect(messaging.health()).toEqual({
      live: true,
      ready: true,
      reasons: [],
      groups: [{ group: 'g', state: 'consuming', running: 0, handling: [], stuck: 0, unsettled: 0, unstorable: [], waitingMs: 0 }],
    })
    await messaging.close()
    expect(messaging.health()).toMatchObject({ live: true, ready: false })
  })

  test('is ready where nothing has needed the broker yet', () => {
    expect(onMemory().health()).toMatchObject({ live: true, ready: true, reasons: [] })
  })

  test('is not ready once a publish has found no broker, and becomes it without another publish', async () => {
    let away = true
    const messaging = onMemory({
      broker: undefined,
      driver: (options) => {
        const driver = memoryDriver(options)
        const connect = driver.connect.bind(driver)
        return Object.assign(driver, {
          connect: (tell: Parameters<Driver['connect']>[0]) => (away ? Promise.reject(new Error('refused')) : connect(tell)),
        })
      },
    })
    await expect(messaging.getProducer().send('t', 1)).rejects.toThrow('refused')
    expect(messaging.health()).toMatchObject({ live: true, ready: false, reasons: ['broker unreachable'] })
    away = false
    await expect.poll(() => messaging.health().ready).toBe(true)
    await messaging.close()
  })

  test('is not ready when nothing was settled for longer than stalledMs', async () => {
    const clock = new VirtualClock()
    const messaging = onMemory({ clock, handlerTimeoutMs: 3_600_000, stalledMs: 300_000 })
    const held = Promise.withResolvers<void>()
    messaging.handle({ topic: 't', group: 'g' }, () => held.promise)
    await messaging.start()
    await messaging.getProducer().send('t', 1)
    await clock.advance(300_000)
    const before = messaging.health().ready
    await clock.advance(1_000)
    expect([before, messaging.health()]).toMatchObject([
      true,
      { live: true, ready: false, reasons: ['group g has settled nothing for more than 300000 ms (stalledMs)'] },
    ])
    held.resolve()
    await clock.settle()
    expect(messaging.health().ready).toBe(true)
  })
})

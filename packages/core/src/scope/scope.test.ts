import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { pino } from 'pino'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { allSettled, collector, loggingSession, onMemory, quiet, until } from '../../test/kit.ts'
import type { Message } from '../driver.ts'
import type { Messaging } from '../messaging.ts'
import { CHANNEL, type SettleRecord } from '../observe/channels.ts'
import { derivedId, newId } from '../wire/id.ts'

/** Everything that arrives on `topic`, in an instance's own broker. */
async function tail(messaging: Messaging, topic: string): Promise<Message[]> {
  const seen: Message[] = []
  const { stop } = await (await messaging.driver()).tail({ topic, from: 'earliest', onMessages: (messages) => void seen.push(...messages) })
  onTestFinished(stop)
  return seen
}

test('without a scope an event leaves at once, in the background', async () => {
  const messaging = onMemory()
  const seen = await tail(messaging, 't')
  messaging.emit('x', 1, { topic: 't' })
  await until(
    () => seen.length === 1,
    () => seen,
  )
})

test('a payload that does not fit fails the call, not the log', () => {
  const { logger, lines } = collector()
  const messaging = onMemory({ logger })
  expect(() => messaging.emit('x', 1n, { topic: 't' })).toThrow(/event x cannot be written as JSON/)
  expect(() => messaging.emit('x', 1)).toThrow(/no topic/)
  expect(lines).toEqual([])
})

test('a background publish that fails is logged and counted, never thrown', async () => {
  const { logger, lines } = collector('error')
  const messaging = onMemory({ logger })
  messaging.use({ publish: () => Promise.reject(new Error('broker away')) })
  messaging.emit('x', 1, { topic: 't', key: 'k', id: 'i', correlationId: 'c' })
  await until(
    () => lines.length > 0,
    () => lines,
  )
  expect(lines).toEqual([
    expect.objectContaining({
      level: 50,
      topic: 't',
      event: 'x',
      key: 'k',
      id: 'i',
      correlationId: 'c',
      msg: expect.stringMatching(/^background publish of x to t failed.*broker away/),
    }),
  ])
  expect(messaging.counters).toMatchObject({ published: 0, publishFailed: 1 })
})

test('a handler’s events leave confirmed between its commit and its acknowledgement', async () => {
  const log: string[] = []
  const messaging = onMemory({ session: loggingSession(log) })
  messaging.use({
    publish: async (message, next) => {
      if (message.topic === 'in') return next(message)
      log.push('publish')
      await next(message)
      log.push('confirmed')
    },
  })
  messaging.handle({ topic: 'in' }, () => {
    messaging.emit('x', 1, { topic: 'out' })
    log.push('handled')
  })
  const onSettle = (record: unknown) => void log.push((record as SettleRecord).settlement)
  subscribe(CHANNEL.settle, onSettle)
  onTestFinished(() => void unsubscribe(CHANNEL.settle, onSettle))
  await messaging.start()
  await messaging.getProducer().send('in', {})
  await until(
    () => log.includes('ack'),
    () => log,
  )
  expect(log).toEqual(['handled', 'commit', 'publish', 'confirmed', 'ack'])
})

test('a redelivery publishes the same ids again', async () => {
  const messaging = onMemory({ retryDelayMs: 1 })
  const ids: string[] = []
  messaging.use({
    publish: async (message, next) => {
      if (message.topic === 'out') ids.push(message.id)
      if (ids.length === 2) throw new Error('the process ends here')
      await next(message)
    },
  })
  messaging.handle({ topic: 'in', group: 'g' }, () => {
    messaging.emit('x', 1, { topic: 'out' })
    messaging.emit('y', 2, { topic: 'out' })
  })
  await messaging.start()
  await messaging.getProducer().send('in', {}, { id: 'm1' })
  await until(
    () => ids.length === 4,
    () => ids,
  )
  const once = [derivedId('in', 'm1', 'g', 0), derivedId('in', 'm1', 'g', 1)]
  expect(ids).toEqual([...once, ...once])
})

test('what a failed handler recorded is discarded with its session', async () => {
  const log: string[] = []
  const messaging = onMemory({ session: loggingSession(log), maxRetries: 0 })
  const out = await tail(messaging, 'out')
  messaging.handle({ topic: 'in' }, () => {
    messaging.emit('x', 1, { topic: 'out' })
    throw new Error('no')
  })
  await messaging.start()
  await messaging.getProducer().send('in', {})
  await until(
    () => messaging.counters.dead === 1,
    () => messaging.counters,
  )
  await quiet()
  expect([log, out]).toEqual([['rollback: no'], []])
})

test('what is emitted after the scope is over still leaves', async () => {
  const messaging = onMemory()
  const out = await tail(messaging, 'out')
  const late = Promise.withResolvers<void>()
  messaging.handle({ topic: 'in' }, () => {
    void late.promise.then(() => messaging.emit('x', 1, { topic: 'out' }))
  })
  await messaging.start()
  await messaging.getProducer().send('in', {})
  await until(
    () => messaging.counters.handled === 1,
    () => messaging.counters,
  )
  late.resolve()
  await until(
    () => out.length === 1,
    () => out,
  )
})

test('with an outbox events are written in the session; send still goes to the broker', async () => {
  const written: [db: unknown, names: string[]][] = []
  const log: string[] = []
  const messaging = onMemory({
    session: loggingSession(log),
    outbox: {
      write: async (db, messages) =>
        void written.push([db, messages.map(({ message }) => JSON.parse(Buffer.from(message.body).toString()).name)]),
    },
  })
  const out = await tail(messaging, 'out')
  messaging.handle({ topic: 'in' }, async () => {
    messaging.emit('emitted', 1, { topic: 'out' })
    await messaging.publishEvent('published', 1, { topic: 'out' })
    await messaging.getProducer().send('out', 'sent')
  })
  await messaging.start()
  await messaging.getProducer().send('in', {})
  await until(
    () => messaging.counters.handled === 1,
    () => messaging.counters,
  )
  await quiet(50)
  expect(written).toEqual([['tx', ['emitted', 'published']]])
  expect(out.map(({ body }) => Buffer.from(body).toString())).toEqual(['"sent"'])
})

test('with an outbox that is required an event outside of any session is an error that says so', async () => {
  const messaging = onMemory({ session: (work) => work('tx' as never), outbox: { required: true, write: async () => undefined } })
  expect(() => messaging.emit('x', 1, { topic: 't' })).toThrow(expect.objectContaining({ code: 'NO_SESSION' }))
  await expect(messaging.publishEvent('x', 1, { topic: 't' })).rejects.toMatchObject({ code: 'NO_SESSION' })
  const late = Promise.withResolvers<unknown>()
  messaging.handle({ topic: 'in' }, () => {
    setImmediate(async () => {
      await until(
        () => messaging.counters.handled === 1,
        () => messaging.counters,
      )
      try {
        late.resolve(messaging.emit('x', 1, { topic: 't' }))
      } catch (error) {
        late.resolve(error)
      }
    })
  })
  await messaging.start()
  await messaging.getProducer().send('in', {})
  expect(await late.promise).toMatchObject({ code: 'NO_SESSION' })
})

test('a message that the inbox knows is acknowledged without its handler', async () => {
  const marks = new Set<string>()
  let calls = 0
  const messaging = onMemory({
    session: (work) => work('tx' as never),
    outbox: { write: async () => undefined },
    inbox: { firstTime: async (_, group, { topic, id }) => marks.size < marks.add(`${group} ${topic} ${id}`).size },
  })
  messaging.handle({ topic: 'in', group: 'g' }, () => void calls++)
  await messaging.start()
  for (const id of ['a', 'a', 'b']) await messaging.getProducer().send('in', {}, { id })
  await until(
    () => messaging.counters.handled === 2,
    () => messaging.counters,
  )
  await allSettled(messaging, 'in', 'g')
  expect([calls, [...marks]]).toEqual([2, ['g in a', 'g in b']])
})

test('messages without an id are handled without the inbox, counted, and said once', async () => {
  const { logger, lines } = collector('warn')
  const messaging = onMemory({
    logger,
    session: (work) => work('tx' as never),
    outbox: { write: async () => undefined },
    inbox: { firstTime: async () => false },
  })
  messaging.handle({ topic: 'in', group: 'g' }, () => undefined)
  await messaging.start()
  const foreign = { id: '', topic: 'in', headers: {}, body: Buffer.from('1') }
  await (await messaging.driver()).publish([foreign, foreign])
  await allSettled(messaging, 'in', 'g')
  expect(messaging.counters).toMatchObject({ handled: 2, withoutId: 2 })
  expect(lines.map(({ msg }) => msg)).toEqual([
    expect.stringMatching(/^messages of in have no id: the inbox cannot know them, and g may handle one twice/),
  ])
})

test('a request gives its messages one correlation id: its caller’s, else a new one', async () => {
  const messaging = onMemory()
  const out = await tail(messaging, 'out')
  for (const options of [{ correlationId: 'from the caller' }, {}]) {
    const request = messaging.openRequest(options)
    await request.run(async () => {
      messaging.emit('x', 1, { topic: 'out' })
      messaging.emit('y', 1, { topic: 'out' })
    })
    await request.release()
  }
  await until(
    () => out.length === 4,
    () => out,
  )
  const [first, second, third, fourth] = out.map(({ headers }) => headers['corebus-correlation'])
  expect([first, second]).toEqual(['from the caller', 'from the caller'])
  expect(third).toBe(fourth)
  expect(third).toMatch(/^[0-9a-f-]{36}$/)
})

test('a request whose session never ran it fails, and publishes nothing', async () => {
  const messaging = onMemory({ session: async () => undefined as never })
  const request = messaging.openRequest()
  await expect(request.run(async () => messaging.emit('x', 1, { topic: 't' }))).rejects.toMatchObject({ code: 'SESSION' })
  request.discard()
  expect(messaging.counters.published).toBe(0)
})

test('what is recorded for another instance in a session with an outbox leaves there, after the commit', async () => {
  const written: string[] = []
  const ours = onMemory({
    session: (work) => work('tx' as never),
    outbox: { write: async (_, messages) => void written.push(...messages.map(({ message }) => message.id)) },
  })
  const others = onMemory()
  const out = await tail(others, 'out')
  const request = ours.openRequest()
  await request.run(async () => {
    ours.emit('x', 1, { topic: 'out', id: 'ours' })
    others.emit('y', 1, { topic: 'out', id: 'theirs' })
  })
  expect([written, out]).toEqual([['ours'], []])
  await request.release()
  await until(
    () => out.length === 1,
    () => out,
  )
  expect(out[0]?.id).toBe('theirs')
})

describe('what is exported, in a handler or request of another instance than the default one', () => {
  /** A tail of everything that is published on `topic` of either broker. */
  async function two(): Promise<{
    corebus: typeof import('../index.ts')
    own: Messaging
    other: Messaging
    ownSeen: Message[]
    otherSeen: Message[]
  }> {
    vi.resetModules()
    delete (globalThis as Record<symbol, unknown>)[Symbol.for('corebus.registry')]
    const corebus = await import('../index.ts')
    const settings = () =>
      ({ broker: 'memory', url: `memory://${newId()}`, service: 's', env: {}, logger: pino({ level: 'silent' }) }) as const
    const other = corebus.configureMessaging(settings())
    const own = corebus.createMessaging(settings())
    onTestFinished(async () => void (await Promise.all([own.close(), other.close()])))
    const [ownSeen, otherSeen] = await Promise.all([tail(own, 'out'), tail(other, 'out')])
    return { corebus, own, other, ownSeen, otherSeen }
  }

  const namesOf = (seen: readonly Message[]) => seen.map(({ id }) => id).sort()

  test('is published by the instance that runs the handler, and so is what the context has', async () => {
    const { corebus, own, ownSeen, otherSeen } = await two()
    const attempts: number[] = []
    own.handle({ topic: 'in', group: 'g', maxRetries: 1, retryDelayMs: 10 }, async (_: unknown, { attempt, emit, publishEvent, send }) => {
      attempts.push(attempt)
      const id = (what: string) => ({ id: `${what}-${attempt}` })
      corebus.emit('x', 1, { topic: 'out', ...id('emit') })
      emit('x', 1, { topic: 'out', ...id('context.emit') })
      await corebus.publishEvent('x', 1, { topic: 'out', ...id('publishEvent') })
      await publishEvent('x', 1, { topic: 'out', ...id('context.publishEvent') })
      await corebus.getProducer().send('out', 1, id('send'))
      await send('out', 1, id('context.send'))
      // What is recorded belongs to this call; what is published now does not.
      if (attempt === 1) throw new Error('once')
    })
    await own.start()
    await own.getProducer().send('in', 1, { correlationId: 'c' })
    await until(
      () => ownSeen.length === 10,
      () => namesOf(ownSeen),
    )
    await quiet()
    const now = ['publishEvent', 'context.publishEvent', 'send', 'context.send']
    const expected = [...[1, 2].flatMap((n) => now.map((what) => `${what}-${n}`)), 'emit-2', 'context.emit-2']
    expect([namesOf(ownSeen), namesOf(otherSeen), attempts]).toEqual([expected.sort(), [], [1, 2]])
    expect(new Set(ownSeen.map(({ headers }) => headers['corebus-correlation']))).toEqual(new Set(['c']))
  })

  test('what a context emits waits for its message also where the async context of the handler is lost', async () => {
    const { own, ownSeen } = await two()
    const lost = AsyncLocalStorage.snapshot()
    own.handle({ topic: 'in', group: 'g', maxRetries: 0 }, async (_: unknown, { emit }) => {
      lost(() => emit('x', 1, { topic: 'out' }))
      throw new Error('did not happen')
    })
    await own.start()
    await own.getProducer().send('in', 1)
    await until(
      () => own.counters.dead === 1,
      () => own.counters,
    )
    await quiet()
    expect(ownSeen).toEqual([])
  })

  test('is published by the instance whose request it is; outside of any by the default one', async () => {
    const { corebus, own, ownSeen, otherSeen } = await two()
    const request = own.openRequest()
    await request.run(async () => {
      corebus.emit('x', 1, { topic: 'out', id: 'emit' })
      await corebus.getProducer().send('out', 1, { id: 'send' })
    })
    await request.release()
    corebus.emit('x', 1, { topic: 'out', id: 'outside' })
    await until(
      () => ownSeen.length === 2 && otherSeen.length === 1,
      () => [namesOf(ownSeen), namesOf(otherSeen)],
    )
    expect([namesOf(ownSeen), namesOf(otherSeen)]).toEqual([['emit', 'send'], ['outside']])
  })
})

import { describe, expect, test } from 'vitest'
import { collector, onMemory, quiet, until } from '../../test/kit.ts'
import { nameOf, storeInMemory, type Tx } from '../../test/stores.ts'
import type { Message } from '../driver.ts'
import type { SessionMode } from '../scope/session.ts'

const TOPIC = { topic: 'out' }

function withOutbox({ required = false, session = true } = {}) {
  const store = storeInMemory({ required })
  const messaging = onMemory<{ db: Tx }>({ outbox: store.outbox, ...(session && { session: store.sessions }) })
  return { store, messaging }
}

const newTx = (): Tx => ({ n: 0, rows: [], written: [], marks: [] })

describe('publishEvent with { tx }', () => {
  test('writes into that transaction at once, with or without a session that is configured or open', async () => {
    for (const session of [true, false]) {
      const { store, messaging } = withOutbox({ session })
      const tx = newTx()
      await messaging.publishEvent('created', 1, { ...TOPIC, tx })
      expect([tx.written.map(nameOf), store.names()]).toEqual([['created'], []])
      await messaging.close()
    }
    const { store, messaging } = withOutbox({ required: true })
    const other = newTx()
    await messaging.session(async (tx) => {
      await messaging.publishEvent('apart', 1, { ...TOPIC, tx: other })
      expect([other.written.map(nameOf), tx.written]).toEqual([['apart'], []])
    })
    expect(store.names()).toEqual([])
  })

  test('begins what publishes it', async () => {
    const { store, messaging } = withOutbox()
    await messaging.publishEvent('created', 1, { ...TOPIC, tx: newTx() })
    expect(store.log).toEqual(['attach', 'begin', 'write created'])
  })

  test('passes the error of the outbox on', async () => {
    const messaging = onMemory({ outbox: { write: () => Promise.reject(new Error('the transaction is over')) } })
    await expect(messaging.publishEvent('x', 1, { ...TOPIC, tx: {} })).rejects.toThrow('the transaction is over')
  })

  test('is an error without an outbox, without a transaction, and of emit', async () => {
    const { messaging } = withOutbox()
    await expect(onMemory().publishEvent('x', 1, { ...TOPIC, tx: {} })).rejects.toMatchObject({ code: 'OUTBOX_MISSING' })
    await expect(messaging.publishEvent('x', 1, { ...TOPIC, tx: undefined })).rejects.toMatchObject({
      code: 'OPTION',
      message: expect.stringMatching(/tx must be a transaction, not undefined/),
    })
    await expect(messaging.publishEvent('x', 1, { ...TOPIC, tx: 'tx' })).rejects.toMatchObject({ code: 'OPTION' })
    expect(() => messaging.emit('x', 1, { ...TOPIC, tx: {} } as never)).toThrow(/await publishEvent\(type, data, \{ tx \}\)/)
    expect(messaging.counters.published).toBe(0)
  })
})

test('cancel wants an id', async () => {
  const { store, messaging } = withOutbox()
  for (const id of [undefined, null, 5, '', {}])
    await expect(messaging.cancel(id as never)).rejects.toMatchObject({
      code: 'OPTION',
      message: expect.stringContaining('the id of a delayed event'),
    })
  expect(store.log).toEqual(['attach'])
})

describe('outside of a session that writes', () => {
  test('an outbox that is not required leaves events to the broker', async () => {
    const { store, messaging } = withOutbox()
    messaging.emit('emitted', 1, TOPIC)
    await messaging.publishEvent('published', 1, TOPIC)
    for (const session of ['read', false] as const) {
      const request = messaging.openRequest({ session })
      await request.run(async () => {
        messaging.emit('emitted', 1, TOPIC)
        await messaging.publishEvent('published', 1, TOPIC)
      })
      await request.release()
    }
    await messaging.close()
    expect([store.written, messaging.counters.published]).toEqual([[], 6])
  })

  test('an outbox that is required refuses them', async () => {
    const { messaging } = withOutbox({ required: true })
    expect(() => messaging.emit('x', 1, TOPIC)).toThrow(expect.objectContaining({ code: 'NO_SESSION' }))
    await expect(messaging.publishEvent('x', 1, { ...TOPIC, delayMs: 1 })).rejects.toMatchObject({ code: 'NO_SESSION' })
    for (const session of ['read', false, 'manual'] as const) {
      const request = messaging.openRequest({ session })
      await expect(request.run(() => messaging.publishEvent('x', 1, TOPIC))).rejects.toMatchObject({ code: 'NO_SESSION' })
      request.discard()
    }
  })

  test('a handler leaves its events to the broker, confirmed before its message is acknowledged', async () => {
    for (const session of [false, 'read', 'manual'] as readonly SessionMode[]) {
      const { store, messaging } = withOutbox()
      const seen: string[] = []
      messaging.use({
        publish: async (message, next) => {
          await next(message)
          seen.push(`${message.event} confirmed, ${messaging.counters.handled} handled`)
        },
      })
      messaging.handle({ topic: 'in', group: 'g', session }, () => messaging.emit('x', 1, TOPIC))
      await messaging.start()
      await messaging.getProducer().send('in', 1)
      await until(
        () => messaging.counters.handled === 1,
        () => messaging.counters,
      )
      await messaging.close()
      expect([store.written, seen]).toEqual([[], ['undefined confirmed, 0 handled', 'x confirmed, 0 handled']])
    }
  })
})

describe('delayed events', () => {
  test('are written with the session, with { tx }, and where none is open by the outbox itself', async () => {
    const { store, messaging } = withOutbox()
    const tx = newTx()
    await messaging.session(async () => messaging.emit('in a session', 1, { ...TOPIC, delayMs: 1_000 }))
    await messaging.publishEvent('with tx', 1, { ...TOPIC, delayMs: 1_000, tx })
    await messaging.publishEvent('alone', 1, { ...TOPIC, at: new Date(5_000) })
    messaging.emit('emitted', 1, { ...TOPIC, at: 6_000 })
    await messaging.close()
    expect(store.written.map((one) => [nameOf(one), one.due])).toEqual([
      ['in a session', { afterMs: 1_000 }],
      ['alone', { at: 5_000 }],
      ['emitted', { at: 6_000 }],
    ])
    expect(tx.written.map(({ due }) => due)).toEqual([{ afterMs: 1_000 }])
    expect(store.log).toContain('write alone by itself')
    expect(messaging.counters.published).toBe(0)
  })

  test('of a request without a session are written when it is over, beside what leaves at once', async () => {
    const { store, messaging } = withOutbox()
    const request = messaging.openRequest({ session: false })
    await request.run(async () => {
      messaging.emit('later', 1, { ...TOPIC, delayMs: 1_000 })
      messaging.emit('now', 1, TOPIC)
    })
    expect(store.written).toEqual([])
    await request.release()
    expect([store.names(), messaging.counters.published]).toEqual([['later'], 1])
  })

  test('that cannot be written in the background are said, and keep nothing else from leaving', async () => {
    const { logger, lines } = collector('error')
    const messaging = onMemory({ logger, outbox: { write: () => Promise.reject(new Error('the database is away')) } })
    const request = messaging.openRequest()
    await request.run(async () => {
      messaging.emit('later', 1, { ...TOPIC, delayMs: 1_000 })
      messaging.emit('now', 1, TOPIC)
    })
    await request.release()
    expect(lines.map(({ msg }) => msg)).toEqual([expect.stringMatching(/of later to out failed.*the database is away/)])
    expect(messaging.counters.published).toBe(1)
  })

  test.each<[object, string, RegExp]>([
    [{ delayMs: 1, at: 1 }, 'OPTION', /delayMs and at say the same in two ways/],
    [{ delayMs: -1 }, 'OPTION', /delayMs must be a number of milliseconds from 0/],
    [{ delayMs: Number.NaN }, 'OPTION', /delayMs/],
    [{ at: '2030-01-01' }, 'OPTION', /at must be a time in ms since the epoch, or a Date/],
    [{ at: new Date(Number.NaN) }, 'OPTION', /at must be/],
  ])('%j are an error', async (options, code, words) => {
    const { messaging } = withOutbox()
    await expect(messaging.publishEvent('x', 1, { ...TOPIC, ...options })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(words),
    })
  })

  test('need an outbox', async () => {
    const messaging = onMemory()
    await expect(messaging.publishEvent('x', 1, { ...TOPIC, delayMs: 1 })).rejects.toMatchObject({ code: 'OUTBOX_MISSING' })
    expect(() => messaging.emit('x', 1, { ...TOPIC, at: 1 })).toThrow(expect.objectContaining({ code: 'OUTBOX_MISSING' }))
    await expect(messaging.getProducer().send('out', 1, { delayMs: 1 } as never)).rejects.toMatchObject({ code: 'OPTION' })
  })
})

describe('cancel', () => {
  const LATER = { ...TOPIC, delayMs: 1_000, id: 'm1' }

  test('takes a delayed event back, and says whether it was there', async () => {
    const { messaging, store } = withOutbox()
    await messaging.publishEvent('x', 1, LATER)
    expect([await messaging.cancel('m1'), await messaging.cancel('m1'), store.written]).toEqual([true, false, []])
  })

  test('inside of a session belongs to it, and finds what that has recorded', async () => {
    const { messaging, store } = withOutbox()
    await messaging.publishEvent('x', 1, { ...LATER, id: 'before' })
    await messaging.session(async () => {
      messaging.emit('x', 1, LATER)
      expect([await messaging.cancel('m1'), await messaging.cancel('before')]).toEqual([true, true])
    })
    expect([store.written, store.log]).toEqual([[], expect.arrayContaining(['cancel before'])])
    const tx = newTx()
    await messaging.cancel('m1', { tx })
    expect(store.log.at(-1)).toBe('cancel m1')
  })

  test('without an outbox that can is an error', async () => {
    for (const messaging of [onMemory(), onMemory({ outbox: { write: async () => undefined } })])
      await expect(messaging.cancel('m1')).rejects.toMatchObject({ code: 'OUTBOX_MISSING' })
    await expect(withOutbox().messaging.cancel('m1', { tx: undefined })).rejects.toMatchObject({ code: 'OPTION' })
    await expect(withOutbox().messaging.cancel(7 as never)).rejects.toMatchObject({ code: 'OPTION' })
  })
})

describe('publish middleware', () => {
  test('runs when an event is written, and its next resolves when it is part of the transaction', async () => {
    const { messaging, store } = withOutbox()
    messaging.use({
      publish: async (message, next) => {
        if (message.event === 'dropped') return
        await next({ ...message, headers: { ...message.headers, by: 'middleware' } })
        store.log.push(`${message.event} is written`)
      },
    })
    await messaging.session(async () => {
      for (const name of ['a', 'dropped', 'b']) messaging.emit(name, 1, TOPIC)
    })
    expect(store.log).toEqual(['attach', 'begin', 'write a b', 'a is written', 'b is written', 'commit', 'committed'])
    expect(store.written.map(({ message }) => message.headers.by)).toEqual(['middleware', 'middleware'])
  })

  test('that refuses an event rolls the session back', async () => {
    const { messaging, store } = withOutbox()
    messaging.use({ publish: (message, next) => (message.event === 'b' ? Promise.reject(new Error('not b')) : next(message)) })
    const refused = messaging.session(async () => {
      for (const name of ['a', 'b', 'c']) messaging.emit(name, 1, TOPIC)
    })
    await expect(refused).rejects.toThrow('not b')
    expect([store.written, store.log.at(-1)]).toEqual([[], 'rollback'])
  })

  test('hears that the outbox could not be written', async () => {
    const heard: unknown[] = []
    const messaging = onMemory({
      session: (work) => work('tx' as never),
      outbox: { write: () => Promise.reject(new Error('no table')) },
    })
    messaging.use({
      publish: (message, next) =>
        next(message).catch((error: unknown) => {
          heard.push(error)
        }),
    })
    await expect(messaging.session(async () => messaging.emit('x', 1, TOPIC))).rejects.toThrow('no table')
    expect(heard).toEqual([new Error('no table')])
  })

  test('has no part in what the outbox hands to the broker', async () => {
    const { messaging, store } = withOutbox()
    let calls = 0
    messaging.use({
      publish: (message, next) => {
        calls++
        return next(message)
      },
    })
    await messaging.session(async () => messaging.emit('x', 1, TOPIC))
    const seen: Message[] = []
    const { stop } = await (await messaging.driver()).tail({ topic: 'out', from: 'earliest', onMessages: (all) => void seen.push(...all) })
    await store.outbox.host()?.publish(store.written.map(({ message }) => message))
    await until(
      () => seen.length === 1,
      () => seen,
    )
    await quiet(10)
    await stop()
    expect([calls, seen[0]?.id, messaging.counters.published]).toEqual([1, store.written[0]?.message.id, 1])
  })
})

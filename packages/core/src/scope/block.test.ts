import { describe, expect, test } from 'vitest'
import { onMemory, quiet, until } from '../../test/kit.ts'
import { storeInMemory, type Tx } from '../../test/stores.ts'
import type { SessionMode } from './session.ts'

const TOPIC = { topic: 'out' }

describe('session(work)', () => {
  test('says that it takes a function', async () => {
    const messaging = onMemory<{ db: Tx }>({ session: storeInMemory().sessions })
    await expect(messaging.session(undefined as never)).rejects.toMatchObject({ code: 'OPTION' })
    await messaging.close()
  })

  test('writes what is emitted in it just before its commit, in its transaction', async () => {
    const store = storeInMemory()
    const messaging = onMemory<{ db: Tx }>({ session: store.sessions, outbox: store.outbox })
    const result = await messaging.session(async (tx) => {
      tx.rows.push('order')
      messaging.emit('created', 1, TOPIC)
      await messaging.publishEvent('paid', 1, TOPIC)
      store.log.push('work is done')
      return 'answer'
    })
    expect([result, store.rows, store.names()]).toEqual(['answer', ['order'], ['created', 'paid']])
    expect(store.log).toEqual(['attach', 'begin', 'work is done', 'write created paid', 'commit', 'committed'])
    await messaging.close()
    expect(messaging.counters.published).toBe(0)
  })

  test('without an outbox publishes it after the commit, in the background, and close waits for it', async () => {
    const store = storeInMemory()
    const messaging = onMemory<{ db: Tx }>({ session: store.sessions })
    messaging.use({
      publish: async (message, next) => {
        store.log.push('publish')
        await quiet(20)
        await next(message)
      },
    })
    await messaging.session(async () => messaging.emit('created', 1, TOPIC))
    expect([store.log, messaging.counters.published]).toEqual([['commit', 'publish'], 0])
    await messaging.close()
    expect(messaging.counters.published).toBe(1)
  })

  test('that fails leaves neither rows nor events, and passes its error on', async () => {
    for (const withOutbox of [true, false]) {
      const store = storeInMemory()
      const messaging = onMemory<{ db: Tx }>({ session: store.sessions, ...(withOutbox && { outbox: store.outbox }) })
      const failing = messaging.session(async (tx) => {
        tx.rows.push('order')
        messaging.emit('created', 1, TOPIC)
        throw new Error('no')
      })
      await expect(failing).rejects.toThrow('no')
      await messaging.close()
      expect([store.rows, store.names(), messaging.counters.published]).toEqual([[], [], 0])
    }
  })

  test('that its database runs again after a conflict records what the last run did', async () => {
    const store = storeInMemory({ conflicts: 2 })
    const messaging = onMemory<{ db: Tx }>({ session: store.sessions, outbox: store.outbox })
    let runs = 0
    await messaging.session(async () => messaging.emit(`run-${++runs}`, 1, TOPIC))
    expect([runs, store.names()]).toEqual([3, ['run-3']])
  })

  test('gives everything in it one correlation id', async () => {
    const store = storeInMemory()
    const messaging = onMemory<{ db: Tx }>({ session: store.sessions, outbox: store.outbox })
    const both = async () => {
      messaging.emit('a', 1, TOPIC)
      messaging.emit('b', 1, TOPIC)
    }
    await messaging.session(both)
    await messaging.session(both)
    const ids = store.written.map(({ message }) => message.headers['corebus-correlation'])
    expect([new Set(ids).size, ids[0], ids[2]]).toEqual([2, ids[1], ids[3]])
  })

  test('is an error where no session is configured', async () => {
    await expect(onMemory().session(async () => undefined)).rejects.toMatchObject({
      code: 'NO_SESSION',
      message: expect.stringMatching(/no session is configured\. Give the instance one/),
    })
  })
})

describe('session(work) inside of an open session of its instance', () => {
  test('joins that one: the same db, one commit', async () => {
    const store = storeInMemory()
    const messaging = onMemory<{ db: Tx }>({ session: store.sessions, outbox: store.outbox })
    await messaging.session(async (outer) => {
      messaging.emit('before', 1, TOPIC)
      await messaging.session(async (inner) => {
        expect(inner).toBe(outer)
        messaging.emit('inside', 1, TOPIC)
      })
      expect(store.names()).toEqual([])
    })
    expect([store.names(), store.log.filter((line) => line === 'commit')]).toEqual([['before', 'inside'], ['commit']])
  })

  test('joins that of a handler and of a request, and of the part that one of them has opened', async () => {
    const store = storeInMemory()
    const messaging = onMemory<{ db: Tx }>({ session: store.sessions, outbox: store.outbox })
    const seen: boolean[] = []
    const joining = (db: Tx) => messaging.session(async (tx) => void seen.push(tx === db))
    messaging.handle({ topic: 'whole', group: 'w' }, (_: unknown, { db }) => joining(db))
    messaging.handle({ topic: 'part', group: 'p', session: 'manual' }, (_: unknown, { session }) => session(joining))
    await messaging.start()
    for (const topic of ['whole', 'part']) await messaging.getProducer().send(topic, 1)
    await until(
      () => messaging.counters.handled === 2,
      () => messaging.counters,
    )
    const request = messaging.openRequest()
    await request.run(joining)
    await request.release()
    expect(seen).toEqual([true, true, true])
  })

  test('keeps the outer one from committing when it fails, also when its error is swallowed', async () => {
    const store = storeInMemory()
    const messaging = onMemory<{ db: Tx }>({ session: store.sessions, outbox: store.outbox })
    const cause = new Error('the inner one failed')
    const swallowing = messaging.session(async (tx) => {
      tx.rows.push('outer')
      await messaging.session(() => Promise.reject(cause)).catch(() => undefined)
    })
    await expect(swallowing).rejects.toMatchObject({
      code: 'SESSION_BROKEN',
      cause,
      message: expect.stringMatching(/the inner one failed/),
    })
    await expect(messaging.session(() => messaging.session(() => Promise.reject(cause)))).rejects.toBe(cause)
    expect([store.rows, store.log.filter((line) => line === 'rollback')]).toEqual([[], ['rollback', 'rollback']])
  })

  test('that failed is forgotten when the database runs the outer one again', async () => {
    const store = storeInMemory({ conflicts: 1 })
    const messaging = onMemory<{ db: Tx }>({ session: store.sessions })
    let runs = 0
    const write: typeof store.sessions.write = async (work) =>
      work({ n: 0, rows: [], written: [], marks: [] }).catch(() => store.sessions.write(work))
    const again = onMemory<{ db: Tx }>({ session: write })
    await again.session(async () => {
      if (++runs > 1) return
      await again.session(() => Promise.reject(new Error('a conflict'))).catch(() => undefined)
    })
    expect([runs, store.log]).toEqual([3, ['commit']])
    await messaging.close()
  })

  test('keeps the outer one from committing while it still runs', async () => {
    const store = storeInMemory()
    const messaging = onMemory<{ db: Tx }>({ session: store.sessions })
    let inner: Promise<void> | undefined
    const outer = messaging.session(async () => {
      inner = messaging.session(() => quiet(20))
    })
    await expect(outer).rejects.toMatchObject({ code: 'SESSION', message: expect.stringMatching(/wait for session\(work\)/) })
    await inner
    expect(store.log).toEqual(['rollback'])
  })

  test('is an error where that one only reads', async () => {
    const store = storeInMemory()
    const messaging = onMemory<{ db: Tx }>({ session: store.sessions })
    const request = messaging.openRequest({ session: 'read' })
    const inside = request.run(() => messaging.session(async () => undefined))
    await expect(inside).rejects.toMatchObject({ code: 'SESSION_READS' })
    request.discard()
  })

  test('finds it through a session of another instance', async () => {
    const [ours, theirs] = [storeInMemory(), storeInMemory()]
    const messaging = onMemory<{ db: Tx }>({ session: ours.sessions, outbox: ours.outbox })
    const other = onMemory<{ db: Tx }>({ session: theirs.sessions, outbox: theirs.outbox })
    await messaging.session((outer) =>
      other.session(async () => {
        other.emit('theirs', 1, TOPIC)
        messaging.emit('ours', 1, TOPIC)
        await messaging.session(async (inner) => expect(inner).toBe(outer))
      }),
    )
    expect([ours.names(), theirs.names()]).toEqual([['ours'], ['theirs']])
  })
})

describe('session(work) in a handler', () => {
  /** Hands one message to a handler that fails at its first call after what `body` does, and returns the ids of what was published. */
  async function idsOf(session: SessionMode, body: (messaging: ReturnType<typeof onMemory<{ db: Tx }>>) => Promise<void>) {
    const store = storeInMemory()
    const messaging = onMemory<{ db: Tx }>({ session: store.sessions, outbox: store.outbox, retryDelayMs: 1, maxRetries: 1 })
    messaging.handle({ topic: 'in', group: 'g', session }, async (_: unknown, { attempt }) => {
      await body(messaging)
      if (attempt === 1) throw new Error('once')
    })
    await messaging.start()
    await messaging.getProducer().send('in', 1)
    await until(
      () => messaging.counters.handled === 1,
      () => [messaging.counters, store.log],
    )
    return { ids: store.written.map(({ message }) => message.id), log: store.log, messaging }
  }

  test("with session: 'manual' is what context.session is", async () => {
    const errors: unknown[] = []
    const { ids } = await idsOf('manual', async (messaging) => {
      await messaging.session(async () => messaging.emit('x', 1, TOPIC))
      await messaging.session(async () => undefined).catch((error) => errors.push(error))
    })
    expect(ids).toHaveLength(2)
    expect(ids[0]).toBe(ids[1])
    expect(errors).toMatchObject([{ code: 'SESSION_TWICE' }, { code: 'SESSION_TWICE' }])
  })

  test('with session: false opens one of its own each time, whose events have the same ids at the retry', async () => {
    const { ids } = await idsOf(false, async (messaging) => {
      await messaging.session(async () => messaging.emit('x', 1, TOPIC))
      await messaging.session(async () => messaging.emit('y', 1, TOPIC))
    })
    expect(ids).toHaveLength(4)
    expect(ids.slice(0, 2)).toEqual(ids.slice(2))
    expect(new Set(ids).size).toBe(2)
  })

  test('that has timed out or failed commits nothing', async () => {
    const store = storeInMemory()
    const messaging = onMemory<{ db: Tx }>({ session: store.sessions, maxRetries: 0, handlerTimeoutMs: 30 })
    const errors: unknown[] = []
    const late = Promise.withResolvers<void>()
    messaging.handle({ topic: 'slow', group: 's', session: false }, async (_: unknown, { signal }) => {
      await messaging
        .session(async (tx) => {
          tx.rows.push('slow')
          await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
        })
        .catch((error) => errors.push(error))
      await messaging.session(async () => store.log.push('called too late')).catch((error) => errors.push(error))
    })
    messaging.handle({ topic: 'failing', group: 'f', session: false }, async () => {
      void late.promise.then(() => messaging.session(async (tx) => tx.rows.push('late')).catch((error) => errors.push(error)))
      throw new Error('no')
    })
    await messaging.start()
    for (const topic of ['slow', 'failing']) await messaging.getProducer().send(topic, 1)
    await until(
      () => messaging.counters.dead === 2,
      () => messaging.counters,
    )
    late.resolve()
    await until(
      () => errors.length === 3,
      () => errors,
    )
    expect([store.rows, store.log]).toEqual([[], ['rollback']])
    expect(errors).toMatchObject([{ why: 'timed out' }, { why: 'timed out' }, { code: 'NO_SESSION' }])
  })
})

test('the exported session belongs to the instance whose code runs', async () => {
  const corebus = await import('../index.ts')
  const store = storeInMemory()
  const messaging = onMemory<{ db: Tx }>({ session: store.sessions, outbox: store.outbox })
  await messaging.session((outer) =>
    corebus.session(async (inner) => {
      expect(inner).toBe(outer)
      corebus.emit('x', 1, TOPIC)
    }),
  )
  expect(store.names()).toEqual(['x'])
})

import { describe, expect, test } from 'vitest'
import { loggingSession, onMemory, quiet, until } from '../../test/kit.ts'
import type { MessagingOptions } from '../config/messaging-options.ts'
import type { HandlerContext } from '../handlers/handler.ts'
import type { FunctionOptions, MessageHandlerOptions } from '../handlers/specs.ts'
import type { Messaging } from '../messaging.ts'
import type { Outbox } from './companion.ts'
import type { Sessions } from './session.ts'

type Handler = (input: unknown, context: HandlerContext) => unknown
type Options = Partial<MessageHandlerOptions<unknown> & FunctionOptions>

function sessions(log: string[]): Sessions<unknown> {
  return { write: loggingSession(log), read: (work) => work('reading').finally(() => log.push('read')) }
}

/** Hands one message to the handler, until it is handled or dead. What is published on `out` is in the log. */
async function handled(
  handler: Handler,
  { session = 'manual', maxRetries = 0, log = [], ...app }: Options & Omit<MessagingOptions, 'session'> & { log?: string[] } = {},
): Promise<{ messaging: Messaging; log: string[] }> {
  const messaging = onMemory({ session: sessions(log), ...app } as MessagingOptions)
  const { stop } = await (await messaging.driver()).tail({
    topic: 'out',
    from: 'earliest',
    onMessages: (messages) => void log.push(...messages.map(({ body }) => `out ${JSON.parse(Buffer.from(body).toString()).name}`)),
  })
  messaging.handle({ topic: 'in', group: 'g', maxRetries, retryDelayMs: 1, session }, handler)
  await messaging.start()
  await messaging.getProducer().send('in', 1, { id: 'm1' })
  await until(
    () => messaging.counters.handled + messaging.counters.dead === 1,
    () => [messaging.counters, log],
  )
  await quiet(20)
  await stop()
  return { messaging, log }
}

const failure = async (handler: Handler, options: Parameters<typeof handled>[1] = {}) => {
  const seen: unknown[] = []
  await handled(async (input, context) => {
    try {
      await handler(input, context)
    } catch (error) {
      seen.push(error)
    }
  }, options)
  return seen[0]
}

describe("a handler with session: 'manual'", () => {
  test('opens it for a part: what that records is published with its commit, the rest with the handler', async () => {
    const log: string[] = []
    await handled(
      async (_, { session, emit }) => {
        emit('before', 1, { topic: 'out' })
        log.push('slow call')
        const result = await session(async (db) => {
          emit('inside', 1, { topic: 'out' })
          return `${db}!`
        })
        log.push(result)
        emit('after', 1, { topic: 'out' })
        await quiet(20)
        log.push('ends')
      },
      { log },
    )
    expect(log.slice(0, 2)).toEqual(['slow call', 'commit'])
    expect([...log].sort()).toEqual(['commit', 'ends', 'out after', 'out before', 'out inside', 'slow call', 'tx!'])
    expect(log.indexOf('out inside')).toBeLessThan(log.indexOf('ends'))
    expect(log.indexOf('out before')).toBeGreaterThan(log.indexOf('ends'))
  })

  test('and keeps what a part has committed when it fails after it, under the same ids at its retry', async () => {
    const ids: string[] = []
    const log: string[] = []
    const messaging = onMemory({ session: sessions(log), maxRetries: 1, retryDelayMs: 1 })
    messaging.use({
      publish: (message, next) => {
        if (message.topic === 'out') ids.push(message.id)
        return next(message)
      },
    })
    messaging.handle({ topic: 'in', group: 'g', session: 'manual' }, async (_: unknown, { session, emit, attempt }) => {
      emit('first', 1, { topic: 'out' })
      await session(async () => emit('inside', 1, { topic: 'out' }))
      if (attempt === 1) throw new Error('no')
    })
    await messaging.start()
    await messaging.getProducer().send('in', 1)
    await until(
      () => messaging.counters.handled === 1,
      () => messaging.counters,
    )
    expect(log).toEqual(['commit', 'commit'])
    expect(ids).toHaveLength(3)
    const [inside, again, first] = ids
    expect([again, new Set(ids).size]).toEqual([inside, 2])
    expect(first).not.toBe(inside)
  })

  test('and forgets what a part has recorded that rolls back, also when the handler goes on', async () => {
    const { log } = await handled(async (_, { session, emit }) => {
      await session(async () => {
        emit('inside', 1, { topic: 'out' })
        throw new Error('no')
      }).catch(() => undefined)
      emit('after', 1, { topic: 'out' })
    }, {})
    expect(log).toEqual(['rollback: no', 'out after'])
  })

  test('has its db in the part and nowhere else', async () => {
    const seen: unknown[] = []
    const error = await failure(async (_, context) => {
      await context.session(async (db) => seen.push(db, context.db))
      seen.push(context.db)
    })
    expect(seen).toEqual(['tx', 'tx'])
    expect(error).toMatchObject({
      code: 'NO_SESSION',
      message: expect.stringMatching(/^db was read, and there is no session: .* says session: 'manual', so it is there in session\(/),
    })
  })

  test('may open one', async () => {
    const error = await failure(async (_, { session }) => {
      await session(async () => undefined)
      await session(async () => undefined)
    })
    expect(error).toMatchObject({ code: 'SESSION_TWICE', message: expect.stringMatching(/called session\(\) twice/) })
  })

  test('may open none after it has ended', async () => {
    let late: HandlerContext['session'] | undefined
    await handled((_, { session }) => {
      late = session
    }, {})
    await expect(late?.(async () => undefined)).rejects.toMatchObject({ code: 'NO_SESSION' })
  })

  test('may not end before it, well or badly: the part is rolled back before anything is settled', async () => {
    for (const fails of [false, true]) {
      const { log, messaging } = await handled(
        (_, { session, emit }) => {
          const part = session(async () => {
            await quiet(20)
            emit('inside', 1, { topic: 'out' })
          })
          return fails ? Promise.all([part, Promise.reject(new Error('the gateway is away'))]) : undefined
        },
        { maxRetries: 1 },
      )
      const dead = (await (await messaging.driver()).admin.deadLetters({})).letters
      await messaging.close()
      expect([...new Set(log)]).toEqual([expect.stringMatching(/^rollback: .*wait for session\(work\) before that$/)])
      const error = fails ? 'the gateway is away' : expect.stringMatching(/wait for session\(work\) before that/)
      expect(dead).toMatchObject([{ message: { headers: { 'corebus-error': error } } }])
    }
  })

  test('gives what is emitted while it is being opened an id of its own', async () => {
    const ids: string[] = []
    const messaging = onMemory({
      session: async (work) => {
        await quiet(10)
        return work('tx' as never)
      },
    })
    messaging.use({
      publish: (message, next) => {
        if (message.topic === 'out') ids.push(message.id)
        return next(message)
      },
    })
    messaging.handle({ topic: 'in', session: 'manual' }, async (_: unknown, { session, emit }) => {
      const part = session(async () => emit('inside', 1, { topic: 'out' }))
      emit('outside', 1, { topic: 'out' })
      await part
    })
    await messaging.start()
    await messaging.getProducer().send('in', 1)
    await until(
      () => ids.length === 2,
      () => ids,
    )
    expect(new Set(ids).size).toBe(2)
  })

  test('commits nothing past its time-out', async () => {
    const { log, messaging } = await handled(
      async (_, { session, signal }) => {
        await session(() => new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve())))
      },
      { handlerTimeoutMs: 50 },
    )
    expect([log, messaging.counters.dead]).toEqual([[expect.stringMatching(/^rollback: the handler took longer/)], 1])
  })
})

describe('where a handler stands in no session or another', () => {
  test('session: false opens none, and db says so', async () => {
    const log: string[] = []
    const error = await failure((_, { db }) => db, { session: false, log })
    expect(error).toMatchObject({ code: 'NO_SESSION', message: expect.stringMatching(/ says session: false$/) })
    expect(log).toEqual([])
    const called = await failure((_, { session }) => session(async () => undefined), { session: false })
    expect(called).toMatchObject({ code: 'NO_SESSION', message: expect.stringMatching(/says session: false/) })
  })

  test("session: 'read' gets the reading twin; without one the session", async () => {
    const seen: unknown[] = []
    const log: string[] = []
    await handled((_, { db }) => void seen.push(db), { session: 'read', log })
    const messaging = onMemory({ session: loggingSession(log) })
    messaging.handle({ topic: 'in', session: 'read' }, (_: unknown, { db }) => void seen.push(db))
    await messaging.start()
    await messaging.getProducer().send('in', 1)
    await until(
      () => seen.length === 2,
      () => seen,
    )
    await messaging.close()
    expect([seen, log]).toEqual([
      ['reading', 'tx'],
      ['read', 'commit'],
    ])
  })

  test('without a session that is configured db is an error that says so', async () => {
    const messaging = onMemory({ maxRetries: 0 })
    const errors: unknown[] = []
    messaging.use({ handle: (_, next) => next().catch((error) => errors.push(error)) })
    messaging.handle({ topic: 'in' }, (_: unknown, { db }) => db)
    await messaging.start()
    await messaging.getProducer().send('in', 1)
    await until(
      () => errors.length === 1,
      () => errors,
    )
    expect(errors[0]).toMatchObject({
      code: 'NO_SESSION',
      message: expect.stringMatching(/no session is configured\. Give the instance one/),
    })
  })

  test('in one, session() is one too many', async () => {
    const error = await failure((_, { session }) => session(async () => undefined), { session: true })
    expect(error).toMatchObject({
      code: 'SESSION_TWICE',
      message: expect.stringMatching(/stands in one: use its db, or say session: 'manual'/),
    })
  })

  test.each<[string, MessagingOptions, Options['session'], RegExp]>([
    ['manual, and none is configured', {}, 'manual', /says session: "manual", and no session is configured/],
    ['read, and none is configured', {}, 'read', /says session: "read", and no session is configured/],
    ...([false, 'read'] as const).map(
      (mode) =>
        [
          `${mode}, with an inbox`,
          { session: sessions([]), inbox: { firstTime: async () => true } },
          mode,
          /the inbox needs a session that writes/,
        ] as [string, MessagingOptions, Options['session'], RegExp],
    ),
  ])('%s: refused at start', async (_, options, session, words) => {
    const messaging = onMemory(options as MessagingOptions)
    messaging.handle({ topic: 'in', session: session ?? true }, () => undefined)
    await expect(messaging.start()).rejects.toMatchObject({ code: 'HANDLERS', message: expect.stringMatching(words) })
  })

  test('an option that is none of these is refused', () => {
    expect(() => onMemory().handle({ topic: 'in', session: 'mannual' as never }, () => undefined)).toThrow(
      /session must be true, false, 'manual' or 'read', not "?mannual/,
    )
  })
})

describe('a request', () => {
  test("with session: 'manual' keeps what its part committed, whatever becomes of it", async () => {
    const log: string[] = []
    const messaging = onMemory({ session: sessions(log) })
    const request = messaging.openRequest({ session: 'manual' })
    expect([request.opens, request.mode]).toEqual([false, 'manual'])
    await request.run(async (db) => {
      expect(db).toBeUndefined()
      messaging.emit('before', 1, { topic: 'out' })
      await request.session(async (tx) => {
        messaging.emit('inside', 1, { topic: 'out' })
        log.push(`${tx} ${request.db}`)
      })
      expect(messaging.counters.published).toBe(0)
    })
    request.discard()
    await messaging.close()
    expect([log, messaging.counters.published]).toEqual([['tx tx', 'commit'], 1])
    await expect(request.session(async () => undefined)).rejects.toMatchObject({ code: 'SESSION_TWICE' })
  })

  test("with session: 'manual' writes what its part records into the outbox, in the part's transaction", async () => {
    const log: string[] = []
    const outbox: Outbox = {
      write: async (db, messages) => void log.push(`write ${messages.map(({ message }) => message.event)} with ${db}`),
    }
    const messaging = onMemory({ session: sessions(log), outbox })
    const request = messaging.openRequest({ session: 'manual' })
    await request.run(async () => {
      messaging.emit('before', 1, { topic: 'out' })
      await request.session(async () => messaging.emit('inside', 1, { topic: 'out' }))
    })
    await request.release()
    expect([log, messaging.counters.published]).toEqual([['write inside with tx', 'commit'], 1])
  })

  test('that is over before its part keeps what the part commits, and close waits for it', async () => {
    for (const how of ['discard', 'release'] as const) {
      const log: string[] = []
      const messaging = onMemory({ session: sessions(log) })
      const request = messaging.openRequest({ session: 'manual' })
      const inside = Promise.withResolvers<void>()
      const running = request.session(async () => {
        inside.resolve()
        await quiet(30)
        messaging.emit('late', 1, { topic: 'out' })
      })
      await inside.promise
      void request[how]()
      await messaging.close()
      await running
      expect([log, messaging.counters.published]).toEqual([['commit'], 1])
    }
  })

  test('that ends before its part fails, and the part is rolled back', async () => {
    const log: string[] = []
    const messaging = onMemory({ session: sessions(log) })
    const request = messaging.openRequest({ session: 'manual' })
    const answer = request.run(async () => {
      void request.session(() => quiet(20))
      return 201
    })
    await expect(answer).rejects.toMatchObject({ code: 'SESSION' })
    request.discard()
    expect(log).toEqual([expect.stringMatching(/^rollback: the request ended/)])
  })

  test('with session: false stands in none', async () => {
    const log: string[] = []
    const messaging = onMemory({ session: sessions(log) })
    const request = messaging.openRequest({ session: false })
    await request.run(async (db) => expect(db).toBeUndefined())
    expect(() => request.db).toThrow(/the request says session: false/)
    await request.release()
    expect(log).toEqual([])
  })

  test('that only reads has the session as it is where there is no reading one: an outbox is written', async () => {
    const written: string[] = []
    const messaging = onMemory({
      session: (work) => work('tx' as never),
      outbox: { write: async (_, messages) => void written.push(...messages.map(({ message }) => message.topic)) },
    })
    const request = messaging.openRequest({ session: 'read' })
    await request.run(async () => messaging.emit('x', 1, { topic: 'out' }))
    await request.release()
    expect(written).toEqual(['out'])
  })

  test('that only reads has no session for an outbox', async () => {
    const messaging = onMemory({ session: sessions([]), outbox: { required: true, write: async () => undefined } })
    const request = messaging.openRequest({ session: 'read' })
    await expect(request.run(async () => messaging.emit('x', 1, { topic: 'out' }))).rejects.toThrow(
      /needs an open session to be written in, and the one here only reads: say session: true/,
    )
    request.discard()
  })
})

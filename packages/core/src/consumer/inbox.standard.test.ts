import { describe, expect, test } from 'vitest'
import { deadLetters, onMemory, quiet, until } from '../../test/kit.ts'
import { type Store, type StoreOptions, storeInMemory, type Tx } from '../../test/stores.ts'
import { consumer } from '../decorators/consumer.ts'
import { messageHandler } from '../decorators/message-handler.ts'
import type { HandlerContext } from '../handlers/handler.ts'
import type { FunctionOptions, MessageHandlerOptions } from '../handlers/specs.ts'
import type { Messaging } from '../messaging.ts'

type Handler = (input: unknown, context: HandlerContext<Tx>) => unknown
type Options = Partial<Omit<MessageHandlerOptions<unknown>, 'schema'> & FunctionOptions>

interface Run extends StoreOptions {
  readonly store?: Store
  readonly outbox?: boolean
  /** Their ids. */
  readonly messages?: readonly string[]
}

/** Hands messages to the handler, until each is settled. */
async function handled(
  handler: Handler,
  options: Options = {},
  { store = storeInMemory(), outbox = true, messages = ['m1', 'm1'], ...more }: Run = {},
) {
  const made = Object.keys(more).length > 0 ? storeInMemory(more) : store
  const messaging = onMemory<{ db: Tx }>({ session: made.sessions, inbox: made.inbox, ...(outbox && { outbox: made.outbox }) })
  messaging.handle({ topic: 'in', group: 'g', maxRetries: 0, ...options }, handler)
  await messaging.start()
  for (const id of messages) {
    await messaging.getProducer().send('in', { key: id }, { id })
    await settled(messaging, 'in')
  }
  await quiet(10)
  return { messaging, store: made }
}

async function settled(messaging: Messaging<{ db: Tx }>, topic: string): Promise<void> {
  const { admin } = await messaging.driver()
  await until(
    async () => {
      const { ready, inFlight, delayed } = await admin.depth(topic, 'g')
      return ready === 0 && inFlight === 0 && delayed === 0
    },
    () => messaging.counters,
  )
}

const effect: Handler = (_, { db, emit }) => {
  db.rows.push('effect')
  emit('done', 1, { topic: 'out' })
}

/** The same in a part. */
const inPart =
  (before?: Handler): Handler =>
  async (input, context) => {
    await before?.(input, context)
    await context.session(async (db) => {
      db.rows.push('effect')
      context.emit('done', 1, { topic: 'out' })
    })
  }

describe('an inbox', () => {
  test('lets the effect of a message happen once, with what it publishes', async () => {
    const { store, messaging } = await handled(effect)
    expect([store.rows, store.names(), [...store.marks], messaging.counters.handled]).toEqual([['effect'], ['done'], ['g in m1'], 1])
  })

  test('forgets its mark with the rollback', async () => {
    let calls = 0
    const { store } = await handled((input, context) => {
      effect(input, context)
      if (++calls === 1) throw new Error('no')
    })
    expect([calls, store.rows, store.names()]).toEqual([2, ['effect'], ['done']])
  })

  test('marks once when the database runs a session again', async () => {
    for (const options of [{}, { session: 'manual' }] as const) {
      const { store } = await handled(options.session ? inPart() : effect, options, { conflicts: 2 })
      expect([store.rows, store.names(), [...store.marks]]).toEqual([['effect'], ['done'], ['g in m1']])
    }
  })

  test('that cannot be asked, or whose session cannot be opened, is a failure of the handler, which is tried again', async () => {
    for (const what of ['session', 'inbox'] as const) {
      const store = storeInMemory()
      let asked = 0
      const once = (here: string): void => {
        if (here === what && ++asked === 1) throw new Error('lock wait timeout')
      }
      const messaging = onMemory<{ db: Tx }>({
        session: async (work) => {
          once('session')
          return store.sessions.write(work)
        },
        inbox: {
          firstTime: async (...args) => {
            once('inbox')
            return store.inbox.firstTime(...args)
          },
        },
        retryDelayMs: 1,
      })
      const attempts: number[] = []
      messaging.handle({ topic: 'in', group: 'g' }, (_, { attempt }) => void attempts.push(attempt))
      await messaging.start()
      await messaging.getProducer().send('in', 1)
      await settled(messaging, 'in')
      expect([attempts, messaging.counters.retried, store.marks.size]).toEqual([[2], 1, 1])
    }
  })

  test('is left out with inbox: false, in every mode', async () => {
    for (const session of [true, false, 'read', 'manual'] as const) {
      let calls = 0
      const { store } = await handled(() => void calls++, { session, inbox: false })
      expect([calls, store.marks.size]).toEqual([2, 0])
    }
  })
})

describe("an inbox in a handler with session: 'manual'", () => {
  test('is asked by the part, in its transaction, and before its work', async () => {
    const { store, messaging } = await handled(inPart(), { session: 'manual' })
    expect([store.rows, store.names(), [...store.marks]]).toEqual([['effect'], ['done'], ['g in m1']])
    expect([messaging.counters.handled, await deadLetters(messaging)]).toEqual([1, []])
    expect(store.log).toEqual(['attach', 'begin', 'write done', 'commit', 'committed', 'rollback'])
  })

  test('ends the part of a message that was handled before with an error, and nothing that the handler recorded leaves', async () => {
    const errors: unknown[] = []
    for (const then of ['passes it on', 'swallows it', 'throws another'] as const) {
      const { store, messaging } = await handled(
        async (input, context) => {
          context.emit('before', 1, { topic: 'out' })
          try {
            await inPart()(input, context)
          } catch (error) {
            errors.push(error)
            context.emit('after', 1, { topic: 'out' })
            if (then === 'passes it on') throw error
            if (then === 'throws another') throw new Error('another')
          }
        },
        { session: 'manual' },
      )
      await messaging.close()
      // The two messages themselves, and what the first call recorded beside its part.
      expect([messaging.counters.published, messaging.counters.dead, store.names()]).toEqual([3, 0, ['done']])
    }
    expect(errors).toMatchObject(
      Array.from({ length: 3 }, () => ({ code: 'DUPLICATE', message: expect.stringMatching(/^g has handled message m1/) })),
    )
  })

  test('leaves what is emitted outside of the part to the broker, where the outbox is not required', async () => {
    const outside: Handler = (_, { emit }) => emit('outside', 1, { topic: 'out' })
    const { store, messaging } = await handled(inPart(outside), { session: 'manual' }, { messages: ['m1'] })
    expect([store.names(), messaging.counters.published]).toEqual([['done'], 2])
    const required = await handled(inPart(outside), { session: 'manual' }, { messages: ['m1'], required: true })
    expect([required.store.names(), await codes(required.messaging)]).toEqual([[], ['NO_SESSION']])
  })

  test('marks nothing without a part', async () => {
    let calls = 0
    const { store } = await handled(() => void calls++, { session: 'manual' })
    expect([calls, store.marks.size]).toEqual([2, 0])
  })
})

const codes = async (messaging: Messaging<{ db: Tx }>) =>
  (await deadLetters(messaging as Messaging)).map(({ message }) => message.headers['corebus-error-code'])

describe('an inbox without an outbox', () => {
  test('handles what publishes nothing, or publishes at once', async () => {
    const { store, messaging } = await handled(
      async (_, { db, publishEvent, send }) => {
        db.rows.push('effect')
        await publishEvent('now', 1, { topic: 'out' })
        await send('out', 1)
      },
      {},
      { outbox: false },
    )
    expect([store.rows, messaging.counters.published]).toEqual([['effect'], 4])
  })

  test.each<[string, Options, Handler]>([
    ['a handler', {}, effect],
    ['a part', { session: 'manual' }, inPart()],
    [
      'a handler that swallows the error',
      {},
      (_, { db, emit }) => {
        db.rows.push('effect')
        try {
          emit('done', 1, { topic: 'out' })
        } catch {
          // The commit fails all the same.
        }
      },
    ],
  ])('fails %s that records an event, before the commit', async (_, options, handler) => {
    const { store, messaging } = await handled(handler, options, { outbox: false, messages: ['m1'] })
    expect([store.rows, store.marks.size, messaging.counters.published]).toEqual([[], 0, 1])
    expect(['OUTBOX_MISSING', 'SESSION_BROKEN']).toContain((await codes(messaging))[0])
    expect((await deadLetters(messaging as Messaging))[0]?.message.headers['corebus-error']).toMatch(/no outbox is configured/)
  })

  test('lets a handler record that it does not know, or that is told inbox: false', async () => {
    const { messaging } = await handled(effect, { inbox: false }, { outbox: false, messages: ['m1'] })
    const withoutId = await handled(effect, {}, { outbox: false, messages: [] })
    await (await withoutId.messaging.driver()).publish([{ id: '', topic: 'in', headers: {}, body: Buffer.from('1') }])
    await settled(withoutId.messaging, 'in')
    await Promise.all([messaging.close(), withoutId.messaging.close()])
    expect([messaging.counters.published, withoutId.messaging.counters.published]).toEqual([2, 1])
  })
})

describe('inboxKey', () => {
  test('is what the inbox knows a message by, instead of its id', async () => {
    const seen: unknown[] = []
    const inboxKey: Options['inboxKey'] = (message, of) => {
      seen.push(message, of)
      return 'order 7'
    }
    for (const session of [true, 'manual'] as const) {
      const { store } = await handled(session === true ? effect : inPart(), { session, inboxKey }, { messages: ['m1', 'm2'] })
      expect([store.rows, [...store.marks]]).toEqual([['effect'], ['g in order 7']])
    }
    expect(seen.slice(0, 2)).toEqual([{ key: 'm1' }, { topic: 'in', key: undefined, id: 'm1', headers: expect.anything() }])
  })

  test('knows a message of others that has no id', async () => {
    const store = storeInMemory()
    const { messaging } = await handled(effect, { inboxKey: (message) => `order ${message}` }, { store, messages: [] })
    const foreign = { id: '', topic: 'in', headers: {}, body: Buffer.from('7') }
    await (await messaging.driver()).publish([foreign, foreign])
    await settled(messaging, 'in')
    expect([store.rows, [...store.marks], messaging.counters.withoutId]).toEqual([['effect'], ['g in order 7'], 0])
  })

  test.each<[string, () => unknown, RegExp]>([
    ['an empty string', () => '', /must return a string that is not empty, not an empty one/],
    ['a number', () => 7, /must return a string that is not empty, not number/],
    ['nothing', () => undefined, /not undefined/],
    [
      'an error',
      () => {
        throw new TypeError('no field')
      },
      /inboxKey of .* failed: no field/,
    ],
  ])('that gives %s is a failure of the handler, which is not called', async (_, inboxKey, words) => {
    const { store, messaging } = await handled(effect, { inboxKey: inboxKey as never }, { messages: ['m1'] })
    const [letter] = await deadLetters(messaging as Messaging)
    expect([store.rows, letter?.message.headers['corebus-error-code']]).toEqual([[], 'INBOX_KEY'])
    expect(letter?.message.headers['corebus-error']).toMatch(words)
  })
})

test('a class says how the inbox is asked for all its handlers, and one of them for itself', async () => {
  const store = storeInMemory()
  @consumer('g', { inboxKey: ({ topic }: { topic: string }, of) => `${topic} ${of.topic}` })
  class Orders {
    @messageHandler({ topic: 'a' })
    a(): void {
      store.log.push('a')
    }

    @messageHandler({ topic: 'b', inboxKey: () => 'own' })
    b(): void {
      store.log.push('b')
    }

    @messageHandler({ topic: 'c', inbox: false })
    c(): void {
      store.log.push('c')
    }
  }
  const messaging = onMemory<{ db: Tx }>({ session: store.sessions, inbox: store.inbox, handlers: [Orders] })
  await messaging.start()
  for (const topic of ['a', 'b', 'c', 'c']) await messaging.getProducer().send(topic, { topic: 'said' })
  for (const topic of ['a', 'b', 'c']) await settled(messaging, topic)
  expect([...store.marks].sort()).toEqual(['g a said a', 'g b own'])
  expect(store.log.filter((line) => line === 'c')).toEqual(['c', 'c'])
})

test.each<[string, Options]>([
  ['inboxKey', { inboxKey: () => 'x' }],
  ['inbox: true', { inbox: true }],
])('%s without an inbox is refused at start', async (what, options) => {
  const messaging = onMemory()
  messaging.handle({ topic: 'in', ...options }, () => undefined)
  await expect(messaging.start()).rejects.toMatchObject({
    code: 'HANDLERS',
    message: expect.stringContaining(`says ${what}, and no inbox is configured`),
  })
})

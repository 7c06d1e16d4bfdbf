import { describe, expect, test } from 'vitest'
import { collector } from '../../test/kit.ts'
import type { Delivery, Driver, Settlement, SubscribeOptions } from '../driver.ts'
import { SettleError } from '../errors.ts'
import type { HandlerContext } from '../handlers/handler.ts'
import { planGroups } from '../handlers/plan.ts'
import { messageSpec } from '../handlers/specs.ts'
import { Observer } from '../observe/observer.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { GroupRun } from './group-run.ts'
import type { Members } from './members.ts'
import { Minute } from './minute.ts'

const unasked = (): never => expect.fail('not asked for')

// What brokers do to a group: crashes that are counted, losses, late answers. What the memory broker can do as well is in messaging.test.ts.

type Handler = (message: string, context: HandlerContext) => unknown

interface BenchOptions extends Partial<Parameters<typeof messageSpec>[0]> {
  readonly subscribed?: Promise<void>
  readonly members?: Members
  readonly countsOutages?: boolean
}

/** A group on a broker whose every word is said by the test. */
class Bench {
  readonly clock = new VirtualClock()
  readonly settled: string[] = []
  readonly limits: number[] = []
  readonly handled: string[] = []
  readonly run: GroupRun
  readonly #said = collector('info')
  readonly observer = new Observer({ service: 's', logger: this.#said.logger })
  readonly lines = this.#said.lines
  broker!: SubscribeOptions
  /** Settling waits for it. */
  stored: Promise<void> = Promise.resolve()
  /** It takes no copy, of whatever form. */
  refuses = false

  constructor(
    handler: Handler = () => undefined,
    { subscribed = Promise.resolve(), members, countsOutages = false, ...options }: BenchOptions = {},
  ) {
    const spec = messageSpec({ topic: 't', retryDelayMs: 1_000, ...options }, () => undefined)
    const capabilities = {
      durable: true,
      orderedAcrossProcesses: true,
      keepsHistory: true,
      longestHandlingMs: Number.POSITIVE_INFINITY,
      members: false,
      countsOutages,
    }
    const [plan] = planGroups([spec], {
      service: 'g',
      defaultTopic: undefined,
      retry: {},
      broker: 'b',
      capabilities,
      concurrency: 10,
      maxUnsettled: 1_000,
      handlerTimeoutMs: 60_000,
      configured: {},
    })
    const driver = {
      capabilities,
      subscribe: async (broker: SubscribeOptions) => {
        this.broker = broker
        await subscribed
        return {
          settle: async (settlements: readonly Settlement[]) => {
            await this.stored
            const refused = settlements.filter(({ kind }) => kind !== 'ack' && this.refuses).map(({ delivery }) => delivery)
            const taken = settlements.filter(({ delivery }) => !refused.includes(delivery))
            this.settled.push(...taken.map(({ kind, delivery }) => `${kind} ${delivery.message.id}`))
            const why = new Error('too large')
            if (refused.length > 0) throw new SettleError(refused, why, new Map(refused.map((delivery) => [delivery, why])))
          },
          limit: (n: number) => void this.limits.push(n),
          stop: async () => undefined,
        }
      },
    } as unknown as Driver
    const call = (input: unknown, context: HandlerContext) => {
      this.handled.push(`${context.id} ${context.attempt}`)
      return handler(input as string, context)
    }
    this.run = new GroupRun({
      plan: plan as NonNullable<typeof plan>,
      driver,
      clock: this.clock,
      random: () => 0,
      observer: this.observer,
      crashLimit: 5,
      abortGraceMs: 1_000,
      members,
      minute: new Minute(),
      dispatch: {
        group: 'g',
        bound: new Map([[spec, call]]),
        session: undefined,
        inbox: undefined,
        middleware: [],
        logger: this.observer.logger,
        owner: { emit: unasked, emitReturned: unasked, publishEvent: unasked, cancel: unasked, session: unasked, getProducer: unasked },
        outlet: { outbox: undefined, write: unasked, publish: async () => undefined, publishInBackground: async () => undefined },
      },
      onStuck: () => undefined,
    })
  }

  async start(): Promise<this> {
    await this.run.start()
    return this
  }

  async hand(...deliveries: Delivery[]): Promise<void> {
    this.broker.onDeliveries(deliveries)
    await this.clock.settle()
  }
}

const delivery = (id: string, { key, unsettledBefore = 0 }: { key?: string; unsettledBefore?: number } = {}): Delivery => ({
  message: { id, topic: 't', headers: {}, body: Buffer.from('"x"'), ...(key !== undefined && { key }) },
  unsettledBefore,
  receipt: undefined,
})

describe('crashes', () => {
  test('a suspect brings the limit back to one and runs alone; a fresh settlement opens it', async () => {
    const held = Promise.withResolvers<void>()
    const bench = await new Bench((_, { id }) => (id === 'suspect' ? held.promise : undefined)).start()
    await bench.hand(delivery('fresh'))
    await bench.hand(delivery('suspect', { unsettledBefore: 1 }), delivery('neighbour'))
    expect([bench.limits, bench.handled]).toEqual([
      [1, 20, 1],
      ['fresh 1', 'suspect 1'],
    ])
    held.resolve()
    await bench.clock.settle()
    expect([bench.limits, bench.settled]).toEqual([
      [1, 20, 1, 20],
      ['ack fresh', 'ack suspect', 'ack neighbour'],
    ])
  })

  test('at crashLimit it goes to the dead letters unhandled, and its neighbours are handled', async () => {
    const bench = await new Bench().start()
    await bench.hand(delivery('killer', { unsettledBefore: 5 }), delivery('once', { unsettledBefore: 4 }), delivery('neighbour'))
    expect([bench.handled, bench.settled]).toEqual([
      ['once 1', 'neighbour 1'],
      ['deadLetter killer', 'ack once', 'ack neighbour'],
    ])
    expect(bench.observer.counters).toMatchObject({ dead: 1, handled: 2 })
  })

  test('a first message whose handler is slow keeps the others out for a second, and a suspect for as long as it is here', async () => {
    const held = Promise.withResolvers<void>()
    const bench = await new Bench(() => held.promise).start()
    await bench.hand(delivery('slow'))
    await bench.clock.advance(999)
    expect(bench.limits).toEqual([1])
    await bench.clock.advance(1)
    expect(bench.limits).toEqual([1, 20])

    const other = await new Bench(() => held.promise).start()
    await other.hand(delivery('suspect', { unsettledBefore: 1 }), delivery('slow'))
    await other.clock.advance(10_000)
    expect(other.limits).toEqual([1])
    held.resolve()
  })

  test('that messages begin one by one is said, once a minute', async () => {
    const bench = await new Bench().start()
    const said = () => bench.lines.filter(({ msg }) => msg.includes('were handed out before and never settled')).length
    await bench.hand(delivery('fresh'))
    expect(said()).toBe(0)
    for (const id of ['a', 'b']) await bench.hand(delivery(id, { unsettledBefore: 1 }))
    expect(said()).toBe(1)
    await bench.clock.advance(60_000)
    await bench.hand(delivery('c', { unsettledBefore: 1 }))
    expect(said()).toBe(2)
  })

  test('while a suspect is here nothing more is asked for, whatever is settled beside it', async () => {
    const [slow, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const bench = await new Bench((_, { id }) => (id === 'slow' ? slow.promise : id === 'suspect' ? held.promise : undefined)).start()
    await bench.hand(delivery('fresh'))
    await bench.hand(delivery('slow'))
    await bench.hand(delivery('suspect', { unsettledBefore: 1 }))
    slow.resolve()
    await bench.clock.settle()
    expect([bench.settled, bench.handled.at(-1), bench.limits]).toEqual([['ack fresh', 'ack slow'], 'suspect 1', [1, 20, 1]])
    held.resolve()
    await bench.hand(delivery('next'))
    expect([bench.settled.at(-1), bench.limits]).toEqual(['ack next', [1, 20, 1, 20]])
  })

  test('a suspect that has failed, or was lost while it waited, keeps nothing out any more', async () => {
    const held = Promise.withResolvers<void>()
    const bench = await new Bench((_, { id }) => (id === 'failing' ? held.promise : undefined)).start()
    const lost = delivery('lost', { unsettledBefore: 1 })
    await bench.hand(delivery('failing', { unsettledBefore: 1 }), lost)
    bench.broker.onLost([lost])
    held.reject(new Error('no'))
    await bench.hand(delivery('fresh'))
    expect([bench.settled, bench.limits.at(-1)]).toEqual([['retry failing', 'ack fresh'], 20])
  })

  test('nor does one that waits behind its key’s retry, for minutes', async () => {
    const failing = (_: string, { id }: HandlerContext) => (id === 'failing' ? Promise.reject(new Error('no')) : undefined)
    const bench = await new Bench(failing, { ordering: 'key' }).start()
    await bench.hand(delivery('failing', { key: 'a' }), delivery('suspect', { key: 'a', unsettledBefore: 1 }))
    await bench.hand(delivery('fresh', { key: 'b' }))
    expect([bench.settled, bench.limits.at(-1)]).toEqual([['ack fresh'], 22])
  })

  describe('where the broker counts an outage once for each member', () => {
    const others = (count: number) => ({ join: async () => undefined, others: count }) as unknown as Members

    test('a process that began after it forgives as many as there are other members, two at least, at most as many again', async () => {
      for (const [count, most] of [
        [0, 7],
        [3, 8],
        [20, 10],
      ] as const) {
        const bench = await new Bench(undefined, { countsOutages: true, members: others(count) }).start()
        await bench.hand(delivery('below', { unsettledBefore: most - 1 }))
        await bench.hand(delivery('over', { unsettledBefore: most }))
        expect(bench.settled).toEqual(['ack below', 'deadLetter over'])
      }
    })

    test('and nowhere else', async () => {
      const bench = await new Bench(undefined, { members: others(2) }).start()
      await bench.hand(delivery('over', { unsettledBefore: 5 }))
      expect(bench.settled).toEqual(['deadLetter over'])
    })
  })

  test('a loss this process lived through is no crash, however often', async () => {
    const bench = await new Bench(() => new Promise(() => undefined)).start()
    for (let losses = 0; losses < 10; losses++) {
      const given = delivery('m', { unsettledBefore: losses })
      await bench.hand(given)
      bench.broker.onLost([given])
    }
    await bench.hand(delivery('m', { unsettledBefore: 10 }))
    expect([bench.limits, bench.settled]).toEqual([[1], []])
    expect(bench.handled).toHaveLength(10)
    await bench.hand(delivery('m', { unsettledBefore: 15 }))
    expect(bench.settled).toEqual(['deadLetter m'])
  })

  test('of what others may have lost while the broker was away each message is handled once more, alone; a crash after that counts', async () => {
    const held = Promise.withResolvers<void>()
    const bench = await new Bench((_, { id }) => (id === 'm' ? held.promise : undefined)).start()
    bench.broker.onState({ kind: 'reconnecting', error: new Error('lost') })
    bench.broker.onState({ kind: 'consuming' })
    const first = delivery('m', { unsettledBefore: 7 })
    await bench.hand(first, delivery('neighbour'))
    expect([bench.limits, bench.handled, bench.settled]).toEqual([[1], ['m 1'], []])
    bench.broker.onLost([first])
    // Eight, of which this process knows one, and forgave seven.
    await bench.hand(delivery('m', { unsettledBefore: 12 }))
    expect(bench.settled).not.toContain('deadLetter m')
    await bench.hand(delivery('m', { unsettledBefore: 13 }))
    expect(bench.settled).toContain('deadLetter m')
  })

  test('nor of messages without an id, also of many that say the same and are settled one after another', async () => {
    const held = Promise.withResolvers<void>()
    const bench = await new Bench(() => held.promise).start()
    for (let losses = 0; losses < 6; losses++) {
      const given = [1, 2, 3].map(() => delivery('', { unsettledBefore: losses }))
      await bench.hand(...given)
      bench.broker.onLost(given)
    }
    held.resolve()
    for (let n = 0; n < 3; n++) await bench.hand(delivery('', { unsettledBefore: 6 }))
    expect(bench.settled).toEqual(['ack ', 'ack ', 'ack '])
    await bench.hand(delivery('another', { unsettledBefore: 5 }))
    expect(bench.settled.at(-1)).toBe('deadLetter another')
  })
})

describe('a delivery that is lost', () => {
  test('is not started if it waited; if it ran its signal aborts and nothing is settled', async () => {
    let signal: AbortSignal | undefined
    const held = Promise.withResolvers<void>()
    const bench = await new Bench((_, context) => {
      signal = context.signal
      return held.promise
    }).start()
    const [one, two] = [delivery('1', { key: 'k' }), delivery('2', { key: 'k' })]
    await bench.hand(one, two)
    bench.broker.onLost([one, two])
    expect(signal?.reason).toMatchObject({ code: 'LOST' })
    await bench.hand(delivery('3', { key: 'k' }))
    expect(bench.handled).toEqual(['1 1'])
    held.resolve()
    await bench.clock.settle()
    expect([bench.handled, bench.settled]).toEqual([['1 1', '3 1'], ['ack 3']])
    expect(bench.observer.counters).toMatchObject({ lost: 2, stale: 1, handled: 1 })
    expect(bench.run.health()).toMatchObject({ running: 0, waitingMs: 0 })
  })

  test('that waits in its lane for a retry is not called again', async () => {
    const bench = await new Bench(() => Promise.reject(new Error('no')), { ordering: 'key' }).start()
    const given = delivery('1', { key: 'k' })
    await bench.hand(given)
    bench.broker.onLost([given])
    await bench.clock.advance(60_000)
    expect([bench.handled, bench.settled]).toEqual([['1 1'], []])
  })
})

describe('what is told', () => {
  test('is told when the broker has it, not when it is decided', async () => {
    const bench = await new Bench(() => Promise.reject(new Error('no')), { maxRetries: 0 }).start()
    const stored = Promise.withResolvers<void>()
    bench.stored = stored.promise
    await bench.hand(delivery('1'))
    expect(bench.observer.counters.dead).toBe(0)
    stored.resolve()
    await bench.clock.settle()
    expect([bench.observer.counters.dead, bench.settled]).toEqual([1, ['deadLetter 1']])
  })

  test('nothing, when the delivery is lost before its settlement is stored', async () => {
    const bench = await new Bench(() => Promise.reject(new Error('no')), { maxRetries: 0 }).start()
    const stored = Promise.withResolvers<void>()
    bench.stored = stored.promise
    const given = delivery('1')
    await bench.hand(given)
    bench.broker.onLost([given])
    stored.resolve()
    await bench.clock.settle()
    expect(bench.observer.counters).toMatchObject({ dead: 0, lost: 1 })
  })
})

describe('a key that waits for its retry', () => {
  test('does not count against the limit, and a message without a key leaves the line', async () => {
    const bench = await new Bench(() => Promise.reject(new Error('no')), { ordering: 'key' }).start()
    await bench.hand(delivery('1', { key: 'a' }))
    await bench.hand(delivery('2', { key: 'a' }), delivery('3', { key: 'b' }), delivery('4'))
    expect(bench.settled).toEqual(['retry 4'])
    // 20, and 1, 2 and 3 on top of it.
    expect(bench.limits.at(-1)).toBe(23)
    await bench.clock.advance(10_000)
    expect(bench.settled).toEqual(['retry 4', 'deadLetter 1', 'deadLetter 3', 'deadLetter 2'])
    expect(bench.limits.at(-1)).toBe(20)
  })

  test('does not keep a suspect’s group at a stand', async () => {
    const bench = await new Bench(() => Promise.reject(new Error('no')), { ordering: 'key' }).start()
    await bench.hand(delivery('suspect', { key: 'a', unsettledBefore: 1 }))
    expect(bench.limits.at(-1)).toBe(2)
  })
})

describe('what the broker refuses to store in any form', () => {
  const failing = (input: string) => {
    if (input === 'x') throw new Error('no')
  }

  test('keeps nobody out: also alone in a process that begins, and where it was handed out before', async () => {
    for (const unsettledBefore of [0, 1]) {
      const bench = await new Bench(failing, { maxRetries: 0 }).start()
      bench.refuses = true
      await bench.hand(delivery('refused', { unsettledBefore }))
      expect([bench.limits.at(-1), bench.run.health().unstorable.length]).toEqual([2, 1])
      await bench.hand(delivery('suspect', { unsettledBefore: 1 }))
      expect(bench.limits.at(-1)).toBe(3)
      await bench.clock.advance(12_600)
      expect(bench.settled).toEqual([])
      bench.refuses = false
      await bench.clock.advance(10_000)
      expect([bench.settled, bench.run.health().unstorable]).toEqual([['deadLetter refused', 'deadLetter suspect'], []])
    }
  })

  test('is forgotten when it is lost', async () => {
    const bench = await new Bench(failing, { maxRetries: 0 }).start()
    bench.refuses = true
    const refused = delivery('refused')
    await bench.hand(refused)
    bench.broker.onLost([refused])
    expect([bench.limits.at(-1), bench.run.health()]).toEqual([1, expect.objectContaining({ unsettled: 0, unstorable: [] })])
  })
})

describe('the subscription', () => {
  test('may hand out before it is there: what is handled by then is settled after', async () => {
    const subscribed = Promise.withResolvers<void>()
    const bench = new Bench(undefined, { subscribed: subscribed.promise })
    const starting = bench.start()
    await bench.clock.settle()
    await bench.hand(delivery('1'))
    expect([bench.handled, bench.settled]).toEqual([['1 1'], []])
    subscribed.resolve()
    await starting
    await bench.clock.settle()
    expect([bench.settled, bench.limits.at(-1)]).toEqual([['ack 1'], 20])
  })

  test('is waited for at the end: what was handled by then is settled, and nothing is begun any more', async () => {
    const subscribed = Promise.withResolvers<void>()
    const bench = new Bench(undefined, { subscribed: subscribed.promise })
    void bench.start()
    await bench.clock.settle()
    await bench.hand(delivery('1'))
    await bench.run.stop()
    const ended = bench.run.end()
    await bench.hand(delivery('2'))
    expect(bench.run.health()).toMatchObject({ state: 'starting', unsettled: 1 })
    subscribed.resolve()
    await ended
    expect([bench.handled, bench.settled]).toEqual([['1 1'], ['ack 1']])
    expect(bench.run.health().state).toBe('stopped')
  })

  test('that never comes keeps no end waiting for nothing', async () => {
    const bench = new Bench(undefined, { subscribed: new Promise(() => undefined) })
    void bench.start()
    await bench.clock.settle()
    await bench.run.stop()
    await bench.run.end()
    expect(bench.run.health().state).toBe('stopped')
  })

  test('keeps time by one clock: a time-out aborts the signal, and only that', async () => {
    let signal: AbortSignal | undefined
    const held = Promise.withResolvers<void>()
    const bench = await new Bench((_, context) => {
      signal = context.signal
      return held.promise
    }).start()
    await bench.hand(delivery('1'))
    await bench.clock.advance(59_000)
    expect(signal?.aborted).toBe(false)
    await bench.clock.advance(1_250)
    expect(signal?.reason).toMatchObject({ code: 'HANDLER_TIMEOUT' })
    expect(bench.settled).toEqual([])
    held.resolve()
    await bench.clock.settle()
    expect(bench.settled).toEqual(['retry 1'])
  })
})

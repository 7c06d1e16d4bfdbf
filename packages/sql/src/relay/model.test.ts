import { DatabaseSync } from 'node:sqlite'
import { CorebusError, type Message, PublishError, type PublishFailure } from '@corebus/core'
import fc from 'fast-check'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import type { SqlDatabase } from '../database/database.ts'
import { migrate } from '../database/schema.ts'
import { message } from '../fixtures/outbox-suite.ts'
import { outboxStore } from '../outbox/store.ts'
import { outboxFeature, tablesOf } from '../outbox/tables.ts'
import { cancelDelayed, writeMessages } from '../outbox/write.ts'
import { sqliteSession } from '../session/sqlite.ts'
import { takeLease } from './lease.ts'
import { ALL_PARTS, look, moveDue } from './rows.ts'
import { leasedTurn } from './turn.ts'

const RUNS = 1_500
const ATTEMPTS = 2
const tables = tablesOf('outbox')
const logger = pino({ level: 'silent' })
const KEYS = ['a', 'b', 'c'] as const

/** What a broker does with one call. `dies`: the relay does, after the broker has all. `late`: another relay takes over while this one is stopped. */
type Broker = { readonly kind: 'takes' | 'dies' | 'late' } | { readonly kind: 'away' | 'refuses'; readonly which: number }

type Step =
  | { readonly kind: 'write'; readonly key: number; readonly holding: boolean; readonly many: number; readonly commits: boolean }
  | { readonly kind: 'delay'; readonly key: number }
  | { readonly kind: 'cancel'; readonly nth: number }
  | { readonly kind: 'time' }
  | { readonly kind: 'relay'; readonly broker: Broker }
  | { readonly kind: 'decide'; readonly how: 'retry' | 'purge'; readonly key: number }

const broker: fc.Arbitrary<Broker> = fc.oneof(
  fc.constant({ kind: 'takes' } as const),
  fc.constant({ kind: 'dies' } as const),
  fc.constant({ kind: 'late' } as const),
  fc.record({ kind: fc.constantFrom('away' as const, 'refuses' as const), which: fc.integer({ min: 0, max: 15 }) }),
)

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      key: fc.nat(2),
      holding: fc.boolean(),
      many: fc.integer({ min: 1, max: 3 }),
      commits: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delay' as const), key: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), nth: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'time' } as const) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('relay' as const), broker }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('decide' as const),
      how: fc.constantFrom('retry' as const, 'purge' as const),
      key: fc.nat(2),
    }),
  },
)

class World {
  readonly connection: DatabaseSync = new DatabaseSync(':memory:')
  readonly database: SqlDatabase = sqliteSession(this.connection).database
  /** Committed and not taken back, by topic and key, in the order of their numbers. */
  readonly expected = new Map<string, string[]>()
  readonly delayed: { id: string; line: string }[] = []
  readonly published: Message[] = []
  readonly forbidden = new Set<string>()
  readonly purged = new Set<string>()
  /** Ids that may come twice: a relay died or was late after the broker had them. */
  readonly twice = new Set<string>()
  #ids = 0

  async run(one: Step): Promise<void> {
    switch (one.kind) {
      case 'write':
        return this.#write(one)
      case 'delay':
        return this.#delay(KEYS[one.key] ?? 'a')
      case 'cancel':
        return this.#cancel(one.nth)
      case 'time':
        return this.connection.exec('UPDATE outbox_delayed SET due = 0; UPDATE outbox_parts SET back = 0 WHERE back IS NOT NULL')
      case 'relay':
        return this.relay(one.broker)
      case 'decide':
        return this.#decide(one.how, KEYS[one.key] ?? 'a')
    }
  }

  async #write({ key, holding, many, commits }: Step & { kind: 'write' }): Promise<void> {
    const topic = holding ? 'holding' : 'skipping'
    const messages = Array.from({ length: many }, () => message(`m${this.#ids++}`, { topic, key: KEYS[key] ?? 'a' }))
    const writing = this.database.transaction(async (tx) => {
      await writeMessages(
        tx,
        { tables, where: 'memory' },
        messages.map((one) => ({ message: one })),
      )
      if (!commits) throw new Error('rolled back')
    })
    await writing.catch(() => undefined)
    for (const { id } of messages)
      if (commits) this.#expect(`${topic} ${KEYS[key]}`, id)
      else this.forbidden.add(id)
  }

  #expect(line: string, id: string): void {
    this.expected.set(line, [...(this.expected.get(line) ?? []), id])
  }

  async #delay(key: string): Promise<void> {
    const id = `d${this.#ids++}`
    await this.database.transaction((tx) =>
      writeMessages(tx, { tables, where: 'memory' }, [{ message: message(id, { topic: 'skipping', key }), due: { afterMs: 3_600_000 } }]),
    )
    this.delayed.push({ id, line: `skipping ${key}` })
  }

  async #cancel(nth: number): Promise<void> {
    const one = this.delayed[nth]
    if (one && (await this.database.transaction((tx) => cancelDelayed(tx, tables, one.id)))) {
      expect(this.published.map(({ id }) => id)).not.toContain(one.id)
      this.forbidden.add(one.id)
    }
  }

  async #decide(how: 'retry' | 'purge', key: string): Promise<void> {
    const store = outboxStore(this.database)
    if (how === 'purge') for (const { id } of await store.list('dead', { key })) this.purged.add(id)
    await store[how]({ key })
  }

  async relay(how: Broker): Promise<void> {
    const { database } = this
    await database.transaction((tx) => moveDue(tx, tables, 2))
    const { back } = await database.read((tx) => look(tx, tables))
    const lease = await takeLease(database, tables, { owner: `${how.kind}`, back, leaseMs: 60_000 })
    if (!lease) throw new Error('a lease that was not given back')
    const turn = leasedTurn(database, lease, ALL_PARTS, {
      tables,
      logger,
      attempts: ATTEMPTS,
      retryMs: 3_600_000,
      holds: ({ topic }) => topic === 'holding',
      holdsSome: true,
      publish: async (messages) => {
        const failures = this.#failures(how, messages)
        this.published.push(...messages.filter(({ id }) => !failures.some((failure) => failure.id === id)))
        if (how.kind === 'dies' || how.kind === 'late') for (const { id } of messages) this.twice.add(id)
        if (how.kind === 'late') await this.#takeOver()
        if (how.kind === 'dies') throw new Error('it has deleted nothing')
        if (failures.length > 0) throw new PublishError(failures)
      },
    })
    await turn.catch((thrown) => {
      if (!(thrown instanceof CorebusError && thrown.code === 'RELAY_LATE')) throw thrown
    })
    // One that is dead gives nothing back: its lease runs out.
    if (how.kind === 'dies') this.connection.exec('UPDATE outbox_parts SET expires = 0')
    else await database.transaction((tx) => lease.release(tx))
  }

  #failures(how: Broker, messages: readonly Message[]): readonly PublishFailure[] {
    if (how.kind !== 'away' && how.kind !== 'refuses') return []
    const isPermanent = how.kind === 'refuses'
    return messages
      .filter((_, n) => (how.which >> (n % 4)) & 1)
      .map(({ id }) => ({ id, permanent: isPermanent, cause: new CorebusError('X', how.kind) }))
  }

  async #takeOver(): Promise<void> {
    this.connection.exec('UPDATE outbox_parts SET expires = 0')
    await this.relay({ kind: 'takes' })
  }

  /** Until nothing is left that a relay can publish. */
  async drain(): Promise<void> {
    for (let round = 0; round < 200; round++) {
      await this.run({ kind: 'time' })
      await this.relay({ kind: 'takes' })
      for (const key of KEYS) await this.#decide('retry', key)
      const { waiting, delayed, aside, held, dead } = await outboxStore(this.database).status()
      if (waiting + delayed + aside + held + dead === 0) return
    }
    throw new Error('rows that nobody publishes')
  }
}

/** The order in which they were seen first. */
const firsts = (messages: readonly Message[]): readonly string[] => [...new Set(messages.map(({ id }) => id))]

test(`${RUNS} histories of writers, relays, a broker and people: nothing lost, nothing invented, nothing out of line`, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
      const world = new World()
      try {
        await migrate(world.database, [outboxFeature('outbox')])
        for (const one of steps) await world.run(one)
        await world.drain()
        const seen = firsts(world.published)
        const rows = [...world.expected.values()]
          .flat()
          .concat(world.delayed.filter(({ id }) => !world.forbidden.has(id)).map(({ id }) => id))
        expect(rows.filter((id) => !seen.includes(id) && !world.purged.has(id))).toEqual([])
        expect(seen.filter((id) => world.forbidden.has(id))).toEqual([])
        const counts = Map.groupBy(world.published, ({ id }) => id)
        expect([...counts].filter(([id, all]) => all.length > 1 && !world.twice.has(id)).map(([id]) => id)).toEqual([])
        // Whose key waits for what is refused, in line whatever happened.
        for (const [line, ids] of world.expected)
          if (line.startsWith('holding')) expect(seen.filter((id) => ids.includes(id))).toEqual(ids.filter((id) => seen.includes(id)))
      } finally {
        world.connection.close()
      }
    }),
    { numRuns: RUNS },
  )
}, 120_000)

import { type Attached, CorebusError, type Host, type Outbox, type OutboxMessage } from '@corebus/core'
import { checkOptions, flag, milliseconds, type Option, objectOf, objectsOf, oneOf, whole } from '@corebus/core/internal'
import { type Commanded, forCommands } from '../database/commanded.ts'
import type { SqlDatabase } from '../database/database.ts'
import { DATABASE, type DatabaseLike, databaseFor } from '../database/for.ts'
import { checkSame } from '../database/same.ts'
import { checkSchema, type Feature } from '../database/schema.ts'
import { tableOption } from '../database/table.ts'
import { atMost } from '../process/every.ts'
import type { OnDead } from '../relay/hold.ts'
import { channelOf, notifier } from '../relay/notify.ts'
import { Relay } from '../relay/relay.ts'
import { txOf } from '../tx/begun.ts'
import { type Marking, markingOf } from './mark.ts'
import { oldestIn } from './oldest.ts'
import { inColumn } from './row.ts'
import { outboxFeature, tablesOf } from './tables.ts'
import { cancelDelayed, writeMessages } from './write.ts'

export interface SqlOutboxOptions {
  /** Sessions of @corebus/sql, or a database of theirs. Default: the instance's sessions. */
  readonly database?: DatabaseLike
  /** Its table; the others are called `<table>_delayed`, `<table>_dead` and `<table>_parts`. Default `outbox`. */
  readonly table?: string
  /** Whether this instance publishes rows, its own and those of others. Default true; false where other processes do it. */
  readonly relay?: boolean
  /** Publishing an event where no session is open is an error, instead of going to the broker at once. Default false. */
  readonly required?: boolean
  /** How long a row may lie that nobody has told the relay of. Default: OUTBOX_POLL_INTERVAL, else 1,000. */
  readonly pollMs?: number
  /** How often a message is given to a broker that refuses it for good, before it goes to `<table>_dead`. Default 10. */
  readonly attempts?: number
  /** The wait after the first of those refusals. It doubles with each, up to a minute. Default 1,000. */
  readonly retryMs?: number
  /** By name of the topic, what becomes of the messages behind one that is refused for good. */
  readonly topics?: Readonly<Record<string, OutboxTopicOptions>>
}

export interface OutboxTopicOptions {
  /**
   * `skip`: they leave, and the refused one is tried again by itself. `hold`: those of its key wait for it, also when it is dead, until somebody retries or
   * purges it; one message of a key is published at a time. Default `skip`.
   */
  readonly onDead?: OnDead
}

const OUTBOX_TOPIC: Readonly<Record<keyof OutboxTopicOptions, Option>> = {
  onDead: {
    default: '`skip`',
    must: oneOf('hold', 'skip'),
    text: 'what becomes of the messages behind one that the broker refuses for good. `skip`: they leave. `hold`: those of its key wait, until the refused one is taken, or retried or purged by somebody; one message of a key is published at a time',
  },
}

export const SQL_OUTBOX: Readonly<Record<keyof SqlOutboxOptions, Option>> = {
  database: DATABASE,
  table: tableOption('outbox'),
  relay: { default: '`true`', must: flag, text: 'whether this instance publishes rows, its own and those of others' },
  required: {
    default: '`false`',
    must: flag,
    text: 'an event that is published where no session is open is an error, instead of going to the broker at once',
  },
  pollMs: {
    default: '`OUTBOX_POLL_INTERVAL`, else 1,000',
    must: milliseconds(1),
    text: 'how long a row may lie that nobody has told the relay of, as one that another process wrote',
  },
  attempts: {
    default: 10,
    must: whole(1, 1_000),
    text: 'how often a message is given to a broker that refuses it for good, before it goes to `<table>_dead`. A broker that is away refuses nothing',
  },
  retryMs: {
    default: '1,000',
    must: milliseconds(1),
    text: 'the wait after the first of those refusals; it doubles with each, up to a minute',
  },
  topics: {
    default: 'none',
    must: objectsOf(OUTBOX_TOPIC),
    text: "`{ orders: { onDead: 'hold' } }`: options of single topics",
    inside: { '*': { default: 'none', must: objectOf(OUTBOX_TOPIC), text: 'of one topic', inside: OUTBOX_TOPIC } },
  },
}

const POLL_MS = 1_000
/** A longer one is a mistake in the unit. */
const MOST_POLL_MS = 3_600_000

/** Who does not relay looks at the oldest row so many times more seldom. */
const LOOKS = 10

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000 }

/** `1s`, `500ms`, or a number of milliseconds. @throws CorebusError CONFIG for anything else */
function pollMsOf({ OUTBOX_POLL_INTERVAL: text = '' }: NodeJS.ProcessEnv): number {
  if (text.trim() === '') return POLL_MS
  const [, number, unit = 'ms'] = /^(\d+(?:\.\d+)?) *(ms|s|m)?$/.exec(text.trim()) ?? []
  const ms = Number(number) * (UNITS[unit] ?? Number.NaN)
  if (ms >= 1 && ms <= MOST_POLL_MS) return ms
  throw new CorebusError(
    'CONFIG',
    `OUTBOX_POLL_INTERVAL must be a time such as 500ms or 1s, from 1ms to ${MOST_POLL_MS}ms, not ${JSON.stringify(text.slice(0, 40))}`,
  )
}

/** What the command line uses of an outbox. */
export interface CommandedOutbox extends Commanded {
  /** The relay of the instance, also where its own option says that others relay. Nothing has started it. */
  relay(): Relay
  marking(): Marking
}

/** An outbox, and what its tables are made with. */
export interface SqlOutbox extends Outbox<unknown> {
  readonly feature: Feature
}

/**
 * An outbox in the database of the sessions, for `configureMessaging({ outbox })`: events are rows of the transaction that they were recorded in, and a
 * relay publishes them after its commit, in the order of their key.
 * @throws CorebusError OPTION; when the instance is made SQL_DATABASE; a write OUTBOX_TOO_LARGE, OUTBOX_WRITE, or what `adapt` throws of a transaction
 */
export function sqlOutbox(options: SqlOutboxOptions = {}): SqlOutbox {
  checkOptions('sqlOutbox', options, SQL_OUTBOX)
  const { table = 'outbox', required = false, relay = true } = options
  const tables = tablesOf(table)
  const feature = outboxFeature(table)
  let work: Work | undefined
  let apart: Error | undefined
  let isTaken = false
  const attached = (): Work => {
    if (work) return work
    throw new CorebusError('OUTBOX_APART', 'this outbox is not given to an instance: configureMessaging({ outbox })')
  }
  const outbox: SqlOutbox = {
    feature,
    required,
    attach(host: Host): Attached {
      if (isTaken) throw new CorebusError('OUTBOX_APART', 'this outbox is given to two instances: each has a sqlOutbox() of its own')
      const database = databaseFor('sqlOutbox', options.database, host.session)
      work = workOf(database, host, options)
      isTaken = true
      apart = undefined
      const isSame = (): Promise<void> => checkSame('sqlOutbox', table, database, host.session)
      return {
        begin() {
          const { relays, marking } = attached()
          relays.start()
          // Who only writes may not read it.
          if (!relay) marking.tell().catch(() => undefined)
          // A process without handlers checks nothing before it writes.
          isSame().catch((thrown: Error) => {
            apart = thrown
            host.logger.error({ err: thrown }, thrown.message)
          })
        },
        async check() {
          await isSame()
          await database.read((tx) => checkSchema(tx, database.where, feature))
          if (relay) await attached().marking.check()
        },
        async close(withinMs) {
          await attached().relays.stop(withinMs)
          isTaken = false
        },
        catchUp: () => attached().relays.catchUp(),
        health: () => attached().relays.health(),
      }
    },
    async write(db: unknown, messages: readonly OutboxMessage[]): Promise<void> {
      const { database, relays, marking } = attached()
      const refusal = apart ?? marking.refusal()
      if (refusal) throw refusal
      if (db === undefined) {
        await database.transaction((tx) => writeMessages(tx, { tables, where: database.where }, messages))
        relays.signal()
        return
      }
      await writeMessages(txOf(db, database.dialect), { tables, where: database.where }, messages)
      relays.expect()
    },
    committed: () => work?.relays.signal(),
    async cancel(db, id) {
      const { database } = attached()
      if (db !== undefined) return cancelDelayed(txOf(db, database.dialect), tables, id)
      return database.transaction((tx) => cancelDelayed(tx, tables, id))
    },
  }
  const commanded: CommandedOutbox = {
    feature,
    database: () => attached().database,
    relay() {
      const { database, host, marking } = attached()
      const relays = relayOf(database, host, options, marking)
      work = { database, host, relays, marking }
      return relays
    },
    marking: () => attached().marking,
  }
  return forCommands(outbox, commanded)
}

interface Work {
  readonly database: SqlDatabase
  readonly host: Host
  readonly relays: Relays
  readonly marking: Marking
}

/** Who publishes the rows: a relay of this instance, or those of others, who are told. */
type Relays = Pick<Relay, 'start' | 'signal' | 'expect' | 'stop' | 'health' | 'catchUp'>

function workOf(database: SqlDatabase, host: Host, options: SqlOutboxOptions): Work {
  const { table = 'outbox', relay = true } = options
  const marking = markingOf(database, tablesOf(table), host)
  const relays = relay ? relayOf(database, host, options, marking) : relaysOfOthers(database, options)
  return { database, host, relays, marking }
}

function relayOf(database: SqlDatabase, { logger, publish }: Host, options: SqlOutboxOptions, { claim }: Marking): Relay {
  const { table = 'outbox', pollMs = pollMsOf(process.env), attempts = 10, retryMs = 1_000, topics = {} } = options
  const holding = new Set(Object.entries(topics).flatMap(([topic, { onDead }]) => (onDead === 'hold' ? [inColumn(topic)] : [])))
  return new Relay({
    database,
    tables: tablesOf(table),
    logger,
    publish,
    claim,
    pollMs,
    attempts,
    retryMs,
    holds: ({ topic, key }) => key !== null && holding.has(topic),
    holdsSome: holding.size > 0,
  })
}

/** Only PostgreSQL has a way to tell them; elsewhere they look by themselves. */
function relaysOfOthers(database: SqlDatabase, { table = 'outbox', pollMs = pollMsOf(process.env) }: SqlOutboxOptions): Relays {
  const told = database.dialect === 'postgres' ? notifier(database, channelOf(table)) : undefined
  const oldest = oldestIn(database, tablesOf(table), pollMs * LOOKS)
  return {
    start: () => oldest.begin(),
    signal: () => told?.committed(),
    expect: () => told?.written(),
    async stop(withinMs) {
      await Promise.all([oldest.end(withinMs), atMost(withinMs, told?.close())])
    },
    health: () => oldest.health(),
    catchUp: async () => undefined,
  }
}

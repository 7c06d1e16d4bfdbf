import { type Attached, CorebusError, type Host, type Outbox, type OutboxMessage } from '@corebus/core'
import { checkOptions, flag, milliseconds, type Option } from '@corebus/core/internal'
import type { SqlDatabase } from '../database/database.ts'
import { DATABASE, type DatabaseLike, databaseFor } from '../database/for.ts'
import { checkSchema, type Feature } from '../database/schema.ts'
import { tableOption } from '../database/table.ts'
import { Relay } from '../relay/relay.ts'
import { txOf } from '../tx/begun.ts'
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
}

const POLL_MS = 1_000
/** A longer one is a mistake in the unit. */
const MOST_POLL_MS = 3_600_000

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

/** An outbox, and what its tables are made with. */
export interface SqlOutbox extends Outbox<unknown> {
  readonly feature: Feature
}

/**
 * An outbox in the database of the sessions, for `configureMessaging({ outbox })`: events are rows of the transaction that they were recorded in, and a
 * relay publishes them after its commit, in the order of their key.
 * @throws CorebusError OPTION; when the instance is made SQL_DATABASE; a write OUTBOX_TOO_LARGE, or what `adapt` throws of a transaction
 */
export function sqlOutbox(options: SqlOutboxOptions = {}): SqlOutbox {
  checkOptions('sqlOutbox', options, SQL_OUTBOX)
  const { table = 'outbox', relay: relays = true, required = false, pollMs = pollMsOf(process.env) } = options
  const tables = tablesOf(table)
  const feature = outboxFeature(table)
  let database: SqlDatabase | undefined
  let relay: Relay | undefined
  const attached = (): SqlDatabase => {
    if (database) return database
    throw new CorebusError('OUTBOX_APART', 'this outbox is not given to an instance: configureMessaging({ outbox })')
  }
  return {
    feature,
    required,
    attach(host: Host): Attached {
      if (database)
        throw new CorebusError('OUTBOX_APART', 'this outbox is given to two instances: make one for each, sqlOutbox() and sqlOutbox()')
      const own = databaseFor('sqlOutbox', options.database, host.session)
      database = own
      const made = new Relay({ database: own, tables, publish: host.publish, logger: host.logger, pollMs })
      relay = made
      return {
        begin: () => (relays ? made.start() : undefined),
        check: () => own.read((tx) => checkSchema(tx, own.where, feature)),
        close: (withinMs) => made.stop(withinMs),
        health: () => made.health(),
      }
    },
    async write(db: unknown, messages: readonly OutboxMessage[]): Promise<void> {
      const { dialect, transaction } = attached()
      if (db === undefined) {
        await transaction((tx) => writeMessages(tx, tables, messages))
        relay?.signal()
        return
      }
      await writeMessages(txOf(db, dialect), tables, messages)
      relay?.expect()
    },
    committed: () => relay?.signal(),
    cancel: async (db, id) => {
      const { dialect, transaction } = attached()
      if (db === undefined) return transaction((tx) => cancelDelayed(tx, tables, id))
      return cancelDelayed(txOf(db, dialect), tables, id)
    },
  }
}

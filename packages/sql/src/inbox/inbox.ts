import { type Attached, CorebusError, type Host, type Inbox } from '@corebus/core'
import { checkOptions, milliseconds, must, type Option } from '@corebus/core/internal'
import { forCommands } from '../database/commanded.ts'
import type { SqlDatabase } from '../database/database.ts'
import { DATABASE, type DatabaseLike, databaseFor } from '../database/for.ts'
import { checkSchema, type Feature, orMissing } from '../database/schema.ts'
import { tableOption } from '../database/table.ts'
import { adapt } from '../tx/adapt.ts'
import { txOf } from '../tx/begun.ts'
import { isLockTimeout } from '../tx/database-errors.ts'
import type { Dialect } from '../tx/sql-tx.ts'
import { cleaningUp } from './clean-up.ts'
import { inboxFeature, kept, marking } from './table.ts'

export interface SqlInboxOptions {
  /** Sessions of @corebus/sql, or a database. Default: that of the instance's `session`. */
  readonly database?: DatabaseLike
  /** Default `processed_events`. */
  readonly table?: string
  /** How long it is remembered what was handled. Default 7 days. */
  readonly keepMs?: number
  /** How long a copy waits for another one that is being handled, before its own handling fails and is retried. Default 5,000. */
  readonly waitMs?: number
  /** How often one of all processes deletes what has expired. Default 10 minutes. */
  readonly cleanUpMs?: number
}

const KEEP_MS = 7 * 24 * 3_600_000

export const SQL_INBOX: Readonly<Record<keyof SqlInboxOptions, Option>> = {
  database: DATABASE,
  table: tableOption('processed_events'),
  keepMs: {
    default: '7 days',
    must: must('a number of milliseconds from 1', (value) => Number.isFinite(value) && (value as number) >= 1),
    text: 'how long it is remembered what was handled. A message that comes again later is handled again; less than the longest retry is the error `INBOX_KEEP`',
  },
  waitMs: {
    default: 5_000,
    must: milliseconds(1),
    text: 'how long a copy waits while another one is being handled, then `INBOX_WAIT`: its handling has failed and is retried. MariaDB counts whole seconds; MySQL waits as long as its `innodb_lock_wait_timeout` says; on SQLite sessions take turns by themselves',
  },
  cleanUpMs: {
    default: '10 minutes',
    must: milliseconds(1),
    text: 'how often what has expired is deleted, by one process of all, 10,000 rows in a transaction (1,000 on SQLite)',
  },
}

/** Remembers in a table what was handled. */
export interface SqlInbox extends Inbox<unknown> {
  /** Its table, for `migrate`. */
  readonly feature: Feature
}

/**
 * An inbox for `configureMessaging({ session, inbox })`: (group, topic, message id) is written in the handler's own transaction, before the handler runs, so
 * that the mark and the handler's rows commit together, and a copy is acknowledged without being handled. Entries are deleted after `keepMs`.
 *
 * `firstTime` waits while another transaction has marked the same and is undecided. When that rolls back it resolves with true; when it has not ended after
 * `waitMs` it rejects.
 * @throws CorebusError OPTION; where it is attached SQL_DATABASE; at start SCHEMA, INBOX_KEEP; `firstTime` INBOX_WAIT, and what `adapt` throws
 */
export function sqlInbox(options: SqlInboxOptions = {}): SqlInbox {
  checkOptions('sqlInbox', options, SQL_INBOX)
  const { table = 'processed_events', keepMs = KEEP_MS, waitMs = 5_000, cleanUpMs = 600_000 } = options
  const feature = inboxFeature(table)
  const statements = new Map<Dialect, string>()
  const statementFor = (dialect: Dialect): string => {
    const statement = statements.get(dialect) ?? marking({ dialect, table, waitMs })
    statements.set(dialect, statement)
    return statement
  }
  let database: SqlDatabase | undefined
  const inbox: SqlInbox = {
    feature,
    async firstTime(db, group, { topic, id }) {
      const tx = database ? txOf(db, database.dialect) : adapt(db)
      try {
        const { affected } = await tx.query(statementFor(tx.dialect), [kept(group), kept(topic), kept(id)], { repeated: true })
        return affected > 0
      } catch (thrown) {
        if (isLockTimeout(thrown)) throw waited(group, topic, id)
        throw orMissing(thrown, table, database?.where ?? 'the database of this session')
      }
    },
    attach(host) {
      database = databaseFor('sqlInbox', options.database, host.session)
      return attached({ database, feature, table, keepMs, cleanUpMs, host })
    },
  }
  return forCommands(inbox, { feature, database: () => databaseFor('sqlInbox', database, undefined) })
}

/** Without the database's own error as its cause: a session would take it for one that is tried again at once, and wait as long again. */
function waited(group: string, topic: string, id: string): CorebusError {
  return new CorebusError(
    'INBOX_WAIT',
    `message ${id} of ${topic} is being handled in the group ${group} by another transaction, which did not end in time (waitMs). It is tried again later. Does a handler wait for a slow call inside of its session? session: 'manual' keeps it outside`,
  )
}

interface AttachedInbox {
  readonly database: SqlDatabase
  readonly feature: Feature
  readonly table: string
  readonly keepMs: number
  readonly cleanUpMs: number
  readonly host: Host
}

/** Without health: rows that are not deleted are no reason to take a process out of service. */
function attached({ database, feature, table, keepMs, cleanUpMs, host }: AttachedInbox): Attached {
  const cleanUp = cleaningUp({
    database,
    table,
    keepMs,
    everyMs: cleanUpMs,
    trouble(error) {
      if (error)
        host.logger.warn(
          { err: orMissing(error, table, database.where), table },
          `inbox: what has expired cannot be deleted. It is tried again every ${cleanUpMs} ms`,
        )
      else host.logger.info({ table }, 'inbox: what has expired is deleted again')
    },
  })
  return {
    begin: () => cleanUp.begin(),
    async check() {
      const longestMs = host.longestRetryMs()
      if (keepMs < longestMs)
        throw new CorebusError(
          'INBOX_KEEP',
          `sqlInbox forgets after ${keepMs} ms (keepMs) what was handled, and a message may be retried for ${longestMs} ms: one that comes again later would be handled twice. Say keepMs: ${longestMs} or more, or retry for a shorter time`,
        )
      await database.read((tx) => checkSchema(tx, database.where, feature))
    },
    close: (withinMs) => cleanUp.end(withinMs),
  }
}

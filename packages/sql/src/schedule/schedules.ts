import { type Companion, CorebusError, type Host } from '@corebus/core'
import { checkOptions, milliseconds, must, type Option, takesWanted, wanted } from '@corebus/core/internal'
import { type Commanded, forCommands } from '../database/commanded.ts'
import type { SqlDatabase } from '../database/database.ts'
import { DATABASE, type DatabaseLike, databaseFor } from '../database/for.ts'
import { checkSchema, type Feature } from '../database/schema.ts'
import { tableOption } from '../database/table.ts'
import { type Ran, Runner } from './runner.ts'
import type { Schedule } from './schedule.ts'
import { scheduleFeature, scheduleStore } from './store.ts'

export interface SqlSchedulesOptions {
  /** Sessions of @corebus/sql, or a database. Default: that of the instance's `session`. */
  readonly database?: DatabaseLike
  /** Default `schedules`. */
  readonly table?: string
  /** How often the database is looked at when nothing is due. Default 10,000. */
  readonly pollMs?: number
  /** How long after the death of a process another one runs its function again. Default 30,000. */
  readonly ttlMs?: number
  /** What to run. Default: what `schedule` has registered. */
  readonly only?: readonly Schedule[]
}

export const SQL_SCHEDULES: Readonly<Record<keyof SqlSchedulesOptions, Option>> = {
  database: DATABASE,
  table: tableOption('schedules'),
  pollMs: {
    default: 10_000,
    must: milliseconds(1),
    text: 'how often the database is looked at when nothing is due: how late a run begins that was asked for by hand, or was planned by a process with another expression',
  },
  ttlMs: {
    default: 30_000,
    must: milliseconds(30),
    text: 'how long after the death of a process another one runs its function again. The lease of a function that runs is renewed three times in this time',
  },
  only: {
    default: 'what `schedule` has registered',
    must: must('an array of what defineSchedule returns', (value) => Array.isArray(value)),
    text: 'what to run, made by `defineSchedule`: for instances beside the default one',
  },
}

/** Runs schedules, one run in the whole cluster. */
export interface SqlSchedules extends Companion {
  /** Its table, for `migrate`. */
  readonly feature: Feature
  attach: NonNullable<Companion['attach']>
}

/** What the command line uses of schedules. */
export interface CommandedSchedules extends Commanded {
  all(): readonly Schedule[]
  /** Runs one in this process, whenever it is due; the signal interrupts its function. @throws CorebusError SCHEDULE_RUNS while it runs, and what the database says */
  run(schedule: Schedule, signal: AbortSignal): Promise<Ran>
}

/**
 * Runs what `schedule` has registered, for `configureMessaging({ session, schedules })`. Each run is made by one process of all, by the database's clock.
 * @throws CorebusError OPTION; where it is attached SQL_DATABASE; at start SCHEMA, and SCHEDULE for two of one name
 */
export function sqlSchedules(options: SqlSchedulesOptions = {}): SqlSchedules {
  checkOptions('sqlSchedules', options, SQL_SCHEDULES)
  const { database: given, table = 'schedules', pollMs = 10_000, ttlMs = 30_000, only } = options
  const feature = scheduleFeature(table)
  const all = () => only ?? registered()
  let work: { readonly database: SqlDatabase; readonly runner: Runner } | undefined
  const attached = () => {
    if (work) return work
    throw new CorebusError('SQL_DATABASE', 'these schedules are not given to an instance: configureMessaging({ schedules })')
  }
  const companion: SqlSchedules = {
    feature,
    attach(host) {
      const database = databaseFor('sqlSchedules', given, host.session)
      const runner = new Runner({ database, store: scheduleStore(database.dialect, table), table, schedules: all, host, pollMs, ttlMs })
      work = { database, runner }
      return {
        begin() {
          if (!only) takesWanted('schedules')
          runner.begin()
        },
        async check() {
          checkAll(all(), host)
          if (all().length > 0) await database.read((tx) => checkSchema(tx, database.where, feature))
        },
        close(withinMs) {
          if (!only) takesWanted('schedules')
          return runner.end(withinMs)
        },
        health: () => ({ trouble: runner.trouble }),
        catchUp: () => runner.catchUp(),
      }
    },
  }
  const commanded: CommandedSchedules = {
    feature,
    database: () => attached().database,
    all,
    run: (one, signal) => attached().runner.runNow(one, signal),
  }
  return forCommands(companion, commanded)
}

function registered(): readonly Schedule[] {
  // Only `schedule` registers under this name.
  return wanted('schedules').map(({ what }) => what as Schedule)
}

function checkAll(schedules: readonly Schedule[], { hasOutbox }: Host): void {
  const names = schedules.map(({ name }) => name)
  const twice = names.find((name, n) => names.indexOf(name) !== n)
  if (twice !== undefined)
    throw new CorebusError('SCHEDULE', `two schedules are named ${twice}, and one of them would never run: give each a name of its own`)
  const event = schedules.find(({ what }) => what.kind === 'event')
  if (event && !hasOutbox)
    throw new CorebusError(
      'OUTBOX_MISSING',
      `schedule ${event.name} publishes an event, which is written in the transaction that marks its run: give the instance an outbox`,
    )
}

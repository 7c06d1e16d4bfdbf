import { sql } from 'kysely'
import type { Feature } from '../database/schema.ts'
import { builder, NOW, now, run } from '../database/statements.ts'
import { quoted } from '../database/table.ts'
import { type Held, LEASE_COLUMNS, type LeaseRow, type LeaseStore, leaseStore } from '../lease/store.ts'
import { type Dialect, int64, type SqlTx } from '../tx/sql-tx.ts'
import { nextAfter, type Schedule } from './schedule.ts'

interface ScheduleRow extends LeaseRow {
  /** Its expression and time zone, as whoever planned the next run knows them. */
  cron: string
  zone: string
  /** The time of the next run, or of the one that runs. */
  due: number
  /** When the last run ended. */
  ran: number | null
  /** Why the last run failed. */
  failed: string | null
}

const COLUMNS: Readonly<Record<Dialect, string>> = {
  postgres: 'cron text NOT NULL, zone text NOT NULL, due bigint NOT NULL, ran bigint, failed text',
  mysql:
    'cron varchar(200) CHARACTER SET utf8mb4 NOT NULL, zone varchar(200) CHARACTER SET utf8mb4 NOT NULL, due bigint NOT NULL, ran bigint, failed text CHARACTER SET utf8mb4',
  sqlite: 'cron TEXT NOT NULL, zone TEXT NOT NULL, due INTEGER NOT NULL, ran INTEGER, failed TEXT',
}

/** One row for each schedule: when it runs next, how it ran last, and the lease of the run that runs. */
export function scheduleFeature(table: string): Feature {
  return {
    name: table,
    version: 1,
    ddl: (dialect) => [
      `CREATE TABLE IF NOT EXISTS ${quoted(dialect, table)} (${LEASE_COLUMNS[dialect]}, ${COLUMNS[dialect]})${dialect === 'mysql' ? ' ENGINE = InnoDB' : ''}`,
    ],
  }
}

/** A schedule as the database has it. */
export interface Planned {
  readonly name: string
  readonly cron: string
  readonly timeZone: string
  /** In ms since the epoch, as all times here. */
  readonly due: number
  /** When the last run ended; undefined before the first. */
  readonly ran: number | undefined
  /** Why the last run failed; undefined when it did not. */
  readonly failed: string | undefined
  /** Who runs it, or has run it last and did not come to its end. */
  readonly owner: string
  /** Until when the run that runs has its lease; 0 when none runs. */
  readonly expires: number
}

export interface Plan {
  /** By the database's clock. */
  readonly now: number
  readonly planned: ReadonlyMap<string, Planned>
}

/** What is done to schedules, each in a transaction that its caller opens. */
export interface ScheduleStore extends Pick<LeaseStore, 'renew' | 'release'> {
  /** Those of the names that the database has, or all. */
  plan(tx: SqlTx, names?: readonly string[]): Promise<Plan>
  /** Plans the first run of one that is new, and again of one whose expression has changed, unless it is due: then that run comes first. */
  prepare(tx: SqlTx, schedule: Schedule): Promise<void>
  /** Plans the next run and takes the one that was planned for `due`. False when somebody has taken it, or runs it. */
  advance(tx: SqlTx, schedule: Schedule, due: number): Promise<boolean>
  /** The lease for the run that was planned for `due`. Undefined when somebody has taken it. */
  claim(tx: SqlTx, name: string, run: { readonly due: number; readonly owner: string; readonly ttlMs: number }): Promise<Held | undefined>
  /** Marks a run as done, plans the next one and gives the lease back. False when somebody else has the lease. */
  finish(
    tx: SqlTx,
    held: Held,
    run: { readonly schedule: Schedule; readonly due: number; readonly next: number; readonly failed?: string | undefined },
  ): Promise<boolean>
  /** Keeps why its run could not be made, which is tried again. */
  note(tx: SqlTx, name: string, failed: string): Promise<void>
  /** Makes it due now, for whoever runs it. False when there is none of that name. */
  runNow(tx: SqlTx, name: string): Promise<boolean>
  /** Forgets it: for one that no process has any more. False when there is none of that name. */
  remove(tx: SqlTx, name: string): Promise<boolean>
}

const statements = (dialect: Dialect, table: string) => ({
  db: builder<{ schedules: ScheduleRow }>(dialect),
  // Kysely takes the name as it is given, and quotes it; its types want to know it beforehand.
  schedules: table as 'schedules',
  time: now(dialect),
})

export function scheduleStore(dialect: Dialect, table: string): ScheduleStore {
  const { db, schedules, time } = statements(dialect, table)
  const { renew, release } = leaseStore(dialect, table)
  const store: ScheduleStore = {
    renew,
    release,
    async plan(tx, names) {
      const clock = await tx.query(`SELECT ${NOW[dialect]} AS now`)
      const all = db.selectFrom(schedules).select(['name', 'cron', 'zone', 'due', 'ran', 'failed', 'owner', 'expires']).orderBy('name')
      const { rows } = await run(tx, names ? all.where('name', 'in', names) : all)
      return { now: whole(clock.rows[0]?.now), planned: new Map(rows.map(asPlanned).map((one) => [one.name, one])) }
    },
    async prepare(tx, schedule) {
      const { name, cron, timeZone: zone } = schedule
      const plan = await store.plan(tx, [name])
      const due = nextAfter(schedule, plan.now)
      const known = plan.planned.get(name)
      if (known) {
        const differs = db.updateTable(schedules).set({ cron, zone, due }).where('name', '=', name).where('due', '=', known.due)
        if (!isAsPlanned(schedule, known) && known.due > plan.now) await run(tx, differs)
        return
      }
      const insert = db.insertInto(schedules).values({ name, cron, zone, due, owner: '', fence: 0, expires: 0 })
      await run(tx, dialect === 'mysql' ? insert.ignore() : insert.onConflict((conflict) => conflict.doNothing()))
    },
    async advance(tx, schedule, due) {
      const { name, cron, timeZone: zone } = schedule
      const next = nextAfter(schedule, (await store.plan(tx, [name])).now)
      const advanced = await run(
        tx,
        db
          .updateTable(schedules)
          .set((row) => ({ cron, zone, due: next, ran: time, failed: null, fence: row('fence', '+', 1) }))
          .where('name', '=', name)
          .where('due', '=', due)
          .where('due', '<=', time)
          .where('expires', '<=', time),
      )
      return advanced.affected > 0
    },
    async claim(tx, name, { due, owner, ttlMs }) {
      const claimed = await run(
        tx,
        db
          .updateTable(schedules)
          .set((row) => ({ owner, fence: row('fence', '+', 1), expires: sql<number>`${time} + ${Math.ceil(ttlMs)}` }))
          .where('name', '=', name)
          .where('due', '=', due)
          .where('due', '<=', time)
          .where('expires', '<=', time),
      )
      if (claimed.affected === 0) return undefined
      const { rows } = await run(tx, db.selectFrom(schedules).select('fence').where('name', '=', name))
      return { name, owner, fence: whole(rows[0]?.fence) }
    },
    async finish(tx, { name, owner, fence }, { schedule, due, next, failed }) {
      const { cron, timeZone: zone } = schedule
      const finished = await run(
        tx,
        db
          .updateTable(schedules)
          .set((row) => ({
            cron,
            zone,
            // Who asked for a run meanwhile has one.
            due: sql<number>`case when ${row.ref('due')} = ${due} then ${next} else ${row.ref('due')} end`,
            ran: time,
            failed: failed === undefined ? null : kept(failed),
            owner: '',
            expires: 0,
          }))
          .where('name', '=', name)
          .where('owner', '=', owner)
          .where('fence', '=', fence),
      )
      return finished.affected > 0
    },
    ...byHand(dialect, table),
  }
  return store
}

/** What changes a schedule beside its runs. */
function byHand(dialect: Dialect, table: string): Pick<ScheduleStore, 'note' | 'runNow' | 'remove'> {
  const { db, schedules, time } = statements(dialect, table)
  return {
    async note(tx, name, failed) {
      await run(
        tx,
        db
          .updateTable(schedules)
          .set({ failed: kept(failed) })
          .where('name', '=', name),
      )
    },
    async runNow(tx, name) {
      const { affected } = await run(tx, db.updateTable(schedules).set({ due: time }).where('name', '=', name))
      return affected > 0
    },
    async remove(tx, name) {
      const { affected } = await run(tx, db.deleteFrom(schedules).where('name', '=', name))
      return affected > 0
    },
  }
}

const MOST_SAID = 1_000
/** PostgreSQL keeps no NUL. */
const kept = (failed: string): string => failed.replaceAll('\0', '').slice(0, MOST_SAID)

/** Whether the database knows the schedule as this process does. */
export function isAsPlanned({ cron, timeZone }: Schedule, planned: Planned): boolean {
  return planned.cron === cron && planned.timeZone === timeZone
}

function asPlanned(row: Readonly<Record<string, unknown>>): Planned {
  return {
    name: String(row.name),
    cron: String(row.cron),
    timeZone: String(row.zone),
    due: whole(row.due),
    ran: row.ran === null ? undefined : whole(row.ran),
    failed: row.failed === null ? undefined : String(row.failed),
    owner: String(row.owner),
    expires: whole(row.expires),
  }
}

const whole = (value: unknown): number => Number(int64(value))

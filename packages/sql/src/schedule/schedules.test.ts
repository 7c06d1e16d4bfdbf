import { randomUUID } from 'node:crypto'
import { CorebusError, createMessaging, defineEvent, type Host } from '@corebus/core'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { migrate } from '../database/schema.ts'
import { freshDatabase } from '../fixtures/database.ts'
import { type HostOptions, hostOf } from '../fixtures/host.ts'
import { until } from '../fixtures/until.ts'
import { sqliteSession } from '../session/sqlite.ts'
import type { SqlTx } from '../tx/sql-tx.ts'
import { defineSchedule, type Schedule, type ScheduleRun } from './schedule.ts'
import { type SqlSchedulesOptions, sqlSchedules } from './schedules.ts'
import { scheduleStore } from './store.ts'

const Ticked = defineEvent('ticked', z.object({ due: z.number() }), { topic: 'ticks' })
/** Its time does not come while a test runs. */
const YEARLY = '0 3 1 1 *'

function fresh() {
  const { database, file } = freshDatabase()
  const sessions = sqliteSession(database)
  const store = scheduleStore('sqlite', 'schedules')
  const planned = async (name: string) => (await sessions.database.read((tx) => store.plan(tx, [name]))).planned.get(name)
  /** As if its time had come so long ago. */
  const overdue = (name: string, ms = 1_000) =>
    database.prepare('UPDATE schedules SET due = due - (due - unixepoch() * 1000) - ? WHERE name = ?').run(ms, name)
  /** A process that runs these. */
  const process = async (only: readonly Schedule[], options: SqlSchedulesOptions = {}, hostOptions: HostOptions = {}) => {
    const schedules = sqlSchedules({ only, pollMs: 10, ...options })
    await migrate(sessions.database, [schedules.feature])
    const host = hostOf(sessions, hostOptions)
    const attached = schedules.attach(host)
    onTestFinished(() => attached.close(1_000))
    await attached.check?.()
    return { ...attached, host, said: () => host.lines.map((line) => String(JSON.parse(line).msg)) }
  }
  return { database, file, sessions, store, planned, overdue, process }
}

/** A function that is run, and the runs. */
function counted(name: string, work: (run: ScheduleRun) => unknown = () => undefined, cron = YEARLY) {
  const runs: ScheduleRun[] = []
  const schedule = defineSchedule(name, cron, async (run) => {
    runs.push(run)
    await work(run)
  })
  return { schedule, runs }
}

test('a new schedule runs at its next time, and a time that was missed is made up for once, by one process of three', async () => {
  const { process, planned, overdue } = fresh()
  const { schedule, runs } = counted('nightly')
  const all = [await process([schedule]), await process([schedule]), await process([schedule])]
  for (const one of all) one.begin()
  await until(async () => expect((await planned('nightly'))?.due).toBeGreaterThan(Date.now()))
  const before = (await planned('nightly'))?.due
  expect(runs).toEqual([])
  // Three times are missed.
  overdue('nightly', 3 * 366 * 86_400_000)
  await until(async () => expect(await planned('nightly')).toMatchObject({ due: before, failed: undefined, expires: 0 }))
  await Promise.all(all.map((one) => one.close(1_000)))
  expect(runs).toEqual([expect.objectContaining({ name: 'nightly', fence: 1 })])
  expect(runs[0]?.due.getTime()).toBeLessThan(Date.now() - 86_400_000)
})

test('what runs every second is run for each second', async () => {
  const { process } = fresh()
  const { schedule, runs } = counted('tick', undefined, '* * * * * *')
  const [one, other] = [await process([schedule]), await process([schedule])]
  one.begin()
  other.begin()
  await until(() => expect(runs.length).toBeGreaterThanOrEqual(3))
  const dues = runs.map(({ due }) => due.getTime())
  expect(dues).toEqual([...new Set(dues)].toSorted())
  expect(runs.map(({ fence }) => fence)).toEqual(runs.map((_, n) => n + 1))
})

test('an event is published in the transaction that marks its run, and again when that fails', async () => {
  const { process, planned, overdue, database } = fresh()
  database.exec('CREATE TABLE published (data TEXT)')
  let fails = true
  const publishEvent: Host['publishEvent'] = async (type: { name: string }, data, options) => {
    await (options as { tx: SqlTx }).tx.query('INSERT INTO published VALUES (?)', [`${type.name} ${JSON.stringify(data)}`])
    if (fails) throw new Error('no')
  }
  const schedule = defineSchedule('ticks', YEARLY, Ticked, { data: ({ due }) => ({ due: due.getTime() }) })
  const one = await process([schedule], {}, { publishEvent })
  one.begin()
  await until(async () => expect(await planned('ticks')).toBeDefined())
  const next = (await planned('ticks'))?.due
  overdue('ticks')
  const due = (await planned('ticks'))?.due
  const published = () =>
    database
      .prepare('SELECT data FROM published')
      .all()
      .map(({ data }) => data)
  await until(async () => expect(await planned('ticks')).toMatchObject({ failed: 'no', due }))
  expect([published(), one.health?.()]).toEqual([[], { trouble: undefined }])
  fails = false
  await until(async () => expect(await planned('ticks')).toMatchObject({ failed: undefined, due: next }))
  await until(() => expect(one.said()).toHaveLength(2))
  expect(published()).toEqual([`ticked {"due":${due}}`])
  // Said once, however often it failed.
  expect(one.said()).toEqual(['schedule ticks cannot publish ticked', 'schedule ticks runs again'])
})

test('a function that throws is logged and marked, and is run at its next time', async () => {
  const { process, planned, overdue } = fresh()
  const { schedule, runs } = counted('nightly', () => {
    throw new Error('no report')
  })
  const one = await process([schedule])
  one.begin()
  await until(async () => expect(await planned('nightly')).toBeDefined())
  overdue('nightly')
  await until(async () => expect(await planned('nightly')).toMatchObject({ failed: 'no report', expires: 0 }))
  expect((await planned('nightly'))?.due).toBeGreaterThan(Date.now())
  expect([runs.length, one.said()]).toEqual([1, [expect.stringMatching(/^schedule nightly has failed: its next run is at \d{4}-.*T03:00/)]])
})

test('a function whose process died is run again by another, when its lease is over', async () => {
  const { process, planned, overdue, database, store, sessions } = fresh()
  const { schedule, runs } = counted('nightly')
  const one = await process([schedule])
  await sessions.database.transaction((tx) => store.prepare(tx, schedule))
  overdue('nightly')
  const due = (await planned('nightly'))?.due ?? 0
  const claim = (owner: string) => sessions.database.transaction((tx) => store.claim(tx, 'nightly', { due, owner, ttlMs: 400 }))
  const dead = await claim('dead')
  expect(dead).toMatchObject({ fence: 1 })
  expect(await claim('other')).toBeUndefined()
  const endsAt = Number(database.prepare('SELECT expires FROM schedules').get()?.expires)
  one.begin()
  await until(() => expect(runs).toHaveLength(1))
  expect(Date.now()).toBeGreaterThanOrEqual(endsAt)
  expect(runs[0]).toMatchObject({ fence: 2 })
  // The dead one comes back and can change nothing.
  if (dead) expect(await sessions.database.transaction((tx) => store.finish(tx, dead, { schedule, due, next: 0 }))).toBe(false)
})

test('a function that has lost its lease is aborted, and leaves its mark to who has it', async () => {
  const { process, planned, overdue, database } = fresh()
  const { schedule, runs } = counted('nightly', async ({ signal }) => {
    database.prepare("UPDATE schedules SET owner = 'somebody', fence = fence + 1, expires = 9e15").run()
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    signal.throwIfAborted()
  })
  const one = await process([schedule], { ttlMs: 60 })
  one.begin()
  await until(async () => expect(await planned('nightly')).toBeDefined())
  overdue('nightly')
  await until(() => expect(one.said()).toEqual([expect.stringMatching(/^schedule nightly has lost its lease/)]))
  expect(runs[0]?.signal.reason).toBeInstanceOf(CorebusError)
  expect(await planned('nightly')).toMatchObject({ ran: undefined, expires: 9e15 })
})

test('a function that runs when the instance is closed is waited for, then aborted and made up for by the next process', async () => {
  const { process, planned, overdue } = fresh()
  const hanging = counted('nightly', async ({ signal }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    throw signal.reason
  })
  const one = await process([hanging.schedule])
  one.begin()
  await until(async () => expect(await planned('nightly')).toBeDefined())
  overdue('nightly')
  await until(() => expect(hanging.runs).toHaveLength(1))
  await one.close(200)
  expect(one.said()).toEqual([expect.stringMatching(/^schedule nightly was interrupted/)])
  expect(await planned('nightly')).toMatchObject({ ran: undefined, expires: 0 })
  const again = counted('nightly')
  const other = await process([again.schedule])
  other.begin()
  await until(() => expect(again.runs).toHaveLength(1))
  // What ends in its time is finished by closing.
  const slow = counted('slow', () => new Promise((resolve) => setTimeout(resolve, 100)))
  const third = await process([slow.schedule])
  third.begin()
  await until(async () => expect(await planned('slow')).toBeDefined())
  overdue('slow')
  await until(() => expect(slow.runs).toHaveLength(1))
  await third.close(30_000)
  expect(slow.runs[0]?.signal.aborted).toBe(false)
  expect((await planned('slow'))?.due).toBeGreaterThan(Date.now())
})

test('another expression plans the next run anew, unless a run is due; a run asked for by hand begins at the next look', async () => {
  const { process, planned, overdue, sessions, store } = fresh()
  const { database } = sessions
  const old = counted('nightly')
  const first = await process([old.schedule])
  first.begin()
  await until(async () => expect(await planned('nightly')).toBeDefined())
  await first.close(1_000)
  const changed = counted('nightly', undefined, '0 5 1 1 *')
  const second = await process([changed.schedule])
  second.begin()
  await until(async () => expect(await planned('nightly')).toMatchObject({ cron: '0 5 1 1 *' }))
  expect(new Date((await planned('nightly'))?.due ?? 0).getUTCHours()).toBe(5)
  expect(await database.transaction((tx) => store.runNow(tx, 'nightly'))).toBe(true)
  expect(await database.transaction((tx) => store.runNow(tx, 'nobody'))).toBe(false)
  await until(() => expect(changed.runs).toHaveLength(1))
  await until(async () => expect((await planned('nightly'))?.due).toBeGreaterThan(Date.now()))
  await second.close(1_000)
  overdue('nightly')
  await database.transaction((tx) => store.prepare(tx, old.schedule))
  expect((await planned('nightly'))?.due).toBeLessThan(Date.now())
  expect(await database.transaction((tx) => store.remove(tx, 'nightly'))).toBe(true)
  expect(await planned('nightly')).toBeUndefined()
})

test('a database that is away is said once, and what is due is run when it is back', async () => {
  const { process, planned, overdue, database } = fresh()
  const { schedule, runs } = counted('nightly')
  const one = await process([schedule])
  one.begin()
  await until(async () => expect(await planned('nightly')).toBeDefined())
  database.exec('ALTER TABLE schedules RENAME TO gone')
  await until(() =>
    expect(one.health?.().trouble).toMatch(/^the database cannot be asked what is due: the tables of schedules are not in /),
  )
  database.exec('ALTER TABLE gone RENAME TO schedules')
  overdue('nightly')
  await until(() => expect(runs).toHaveLength(1))
  expect(one.said()).toEqual(['the database cannot be asked what is due', 'schedules run again'])
})

test('what cannot be run is an error at start: no table, two of one name, an event without an outbox', async () => {
  const { sessions, process } = fresh()
  const { schedule } = counted('nightly')
  const attached = sqlSchedules({ only: [schedule] }).attach(hostOf(sessions))
  await expect(attached.check?.()).rejects.toMatchObject({ code: 'SCHEMA' })
  await expect(process([schedule, counted('nightly').schedule])).rejects.toMatchObject({
    code: 'SCHEDULE',
    message: expect.stringContaining('nightly'),
  })
  const event = defineSchedule('ticks', YEARLY, Ticked, { data: { due: 1 } })
  await expect(process([event], {}, { hasOutbox: false })).rejects.toMatchObject({ code: 'OUTBOX_MISSING' })
  expect(() => sqlSchedules({ every: 1 } as never)).toThrow(expect.objectContaining({ code: 'OPTION' }))
})

test('an instance runs its schedules from its start on, and has an event of one written by its outbox', async () => {
  const { sessions, planned, overdue } = fresh()
  const { schedule, runs } = counted('nightly', async () => messaging.session(async () => messaging.emit(Ticked, { due: 1 })))
  const event = defineSchedule('ticks', YEARLY, Ticked, { data: { due: 2 } })
  const schedules = sqlSchedules({ only: [schedule, event], pollMs: 10 })
  await migrate(sessions.database, [schedules.feature])
  const written: unknown[] = []
  const messaging = createMessaging({
    broker: 'memory',
    url: `memory://${randomUUID()}`,
    service: 'orders-api',
    session: sessions,
    schedules,
    outbox: {
      async write(_, messages) {
        written.push(...messages.map(({ message }) => JSON.parse(new TextDecoder().decode(message.body)).data))
      },
    },
    env: { LOG_LEVEL: 'silent' },
  })
  onTestFinished(() => messaging.close())
  await messaging.start()
  for (const name of ['nightly', 'ticks']) {
    await until(async () => expect(await planned(name)).toBeDefined())
    overdue(name)
  }
  await until(() => expect(written).toHaveLength(2))
  expect(written).toEqual(expect.arrayContaining([{ due: 1 }, { due: 2 }]))
  await messaging.close()
  expect(runs).toHaveLength(1)
})

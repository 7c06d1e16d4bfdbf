import { createMessaging, defineEvent } from '@corebus/core'
import { testApp } from '@corebus/core/testing'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { migrate } from '../database/schema.ts'
import { freshDatabase } from '../fixtures/database.ts'
import { sqlInbox } from '../inbox/inbox.ts'
import { sqlLeases } from '../lease/lease.ts'
import { defineSchedule } from '../schedule/schedule.ts'
import { sqlSchedules } from '../schedule/schedules.ts'
import { sqliteSession } from '../session/sqlite.ts'
import { sqlOutbox } from './outbox.ts'

const Placed = defineEvent('order.placed', z.object({ id: z.number() }), { topic: 'orders' })
const Reminder = defineEvent('order.reminder', z.object({ id: z.number() }), { topic: 'reminders' })
const Reported = defineEvent('day.reported', z.object({ due: z.number() }), { topic: 'reports' })

/** A service with all that @corebus/sql has, on a file of SQLite. */
async function shop(runs: number[] = []) {
  const { database } = freshDatabase()
  const sessions = sqliteSession(database)
  const [outbox, inbox] = [sqlOutbox(), sqlInbox()]
  const only = [
    defineSchedule('hourly', '0 * * * *', ({ due }) => void runs.push(due.getTime())),
    defineSchedule('nightly', '0 3 * * *', Reported, { data: ({ due }) => ({ due: due.getTime() }) }),
  ]
  const schedules = sqlSchedules({ only })
  const leases = sqlLeases({ database: sessions })
  await migrate(sessions.database, [outbox.feature, inbox.feature, schedules.feature, leases.feature])
  const messaging = createMessaging({ service: 'shop', env: {}, session: sessions, outbox, inbox, schedules, retryDelayMs: 3_600_000 })
  messaging.on(Placed, { group: 'orders' }, async ({ data }, { db, emit }) => {
    db.prepare('INSERT INTO orders VALUES (?)').run(data.id)
    emit(Reminder, { id: data.id }, { delayMs: 86_400_000 })
  })
  messaging.on(Reminder, { group: 'mails' }, () => undefined)
  const orders = () => database.prepare('SELECT id FROM orders').all()
  return { messaging, database, orders, leases }
}

const midnight = Date.UTC(2026, 5, 1)

test('what an outbox keeps for later leaves when the clock has come to it, and what it keeps for now has left when all is settled', async () => {
  const { messaging, orders } = await shop()
  await using app = await testApp({ messaging, now: midnight })
  await app.publish(Placed, { id: 1 })
  await messaging.session(async () => messaging.emit(Reminder, { id: 2 }))
  await app.settled()
  expect(orders()).toEqual([{ id: 1 }])
  expect(app.handled(Reminder)).toMatchObject([{ data: { id: 2 }, at: midnight }])
  await app.advance('23h')
  expect(app.published(Reminder)).toHaveLength(1)
  await app.advance('1h')
  expect(app.handled(Reminder).map(({ data, at }) => [data.id, at])).toEqual([
    [2, midnight],
    [1, midnight + 86_400_000],
  ])
})

test('an inbox knows a message that comes twice, and a failed one comes again an hour later', async () => {
  const { messaging, orders } = await shop()
  await using app = await testApp({ messaging })
  app.fail('on(order.placed)', new Error('no'), { times: 1 })
  for (let n = 0; n < 2; n++) await app.publish(Placed, { id: 1 }, { id: 'the same' })
  await app.settled()
  expect(orders()).toEqual([{ id: 1 }])
  expect(app.retries()).toHaveLength(1)
})

test('schedules run at their times, those of one day in their order', async () => {
  const runs: number[] = []
  const { messaging } = await shop(runs)
  await using app = await testApp({ messaging, now: midnight + 60_000 })
  await app.settled()
  expect(runs).toEqual([])
  await app.advance('4h')
  expect(runs).toEqual([1, 2, 3, 4].map((hour) => midnight + hour * 3_600_000))
  expect(app.published(Reported)).toMatchObject([{ data: { due: midnight + 3 * 3_600_000 }, at: midnight + 3 * 3_600_000 }])
})

test('a lease that nobody gives back can be had when the clock has come to its end', async () => {
  const { messaging, database, leases } = await shop()
  await using app = await testApp({ messaging, now: midnight })
  await leases.tryLease('one', { ttlMs: 30_000 }, () => undefined)
  // As a process leaves it that dies.
  database.prepare("UPDATE leases SET owner = 'dead', expires = ?").run(midnight + 30_000)
  expect(await leases.tryLease('one', {}, () => undefined)).toEqual({ held: false })
  await app.advance('30s')
  expect(await leases.tryLease('one', {}, () => 'had')).toEqual({ held: true, result: 'had' })
})

test('each app of an instance has its outbox anew, and statements have the time of the database again when it is over', async () => {
  const { messaging, database } = await shop()
  for (let n = 1; n <= 3; n++) {
    await using app = await testApp({ messaging, now: midnight })
    await messaging.publishEvent(Reminder, { id: n }, { delayMs: 60_000 })
    await app.advance('1m')
    expect(app.handled(Reminder).map(({ data }) => data.id)).toEqual([n])
  }
  const { database: ours } = sqliteSession(database)
  const { rows } = await ours.read((tx) => tx.query("SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS at"))
  expect(Math.abs(Number(rows[0]?.at) - Date.now())).toBeLessThan(3_600_000)
})

test('an outbox that cannot be relayed is what settled says', async () => {
  const { messaging, database } = await shop()
  await using app = await testApp({ messaging })
  database.exec('DROP TABLE outbox_parts')
  await expect(app.settled()).rejects.toThrow(/outbox_parts/)
})

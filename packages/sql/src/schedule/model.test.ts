import fc from 'fast-check'
import { expect, test } from 'vitest'
import { migrate } from '../database/schema.ts'
import { clockedDatabase } from '../fixtures/clock.ts'
import type { Held } from '../lease/store.ts'
import { sqliteSession } from '../session/sqlite.ts'
import { defineSchedule } from './schedule.ts'
import { scheduleFeature, scheduleStore } from './store.ts'

const TTL_MS = 90_000
const EVERY_MS = 60_000
const schedule = defineSchedule('a', '* * * * *', () => undefined)
const nextMinute = (ms: number) => (Math.floor(ms / EVERY_MS) + 1) * EVERY_MS
const processes = fc.integer({ min: 0, max: 2 })

const step = fc.oneof(
  // A process looks at what is due, and takes it if it may: an event, or a function, which then runs.
  fc.record({ kind: fc.constant('event' as const) }),
  fc.record({ kind: fc.constant('begin' as const), by: processes }),
  fc.record({ kind: fc.constant('begin' as const), by: processes }),
  fc.record({ kind: fc.constant('end' as const), by: processes, fails: fc.boolean() }),
  fc.record({ kind: fc.constant('renew' as const), by: processes }),
  fc.record({ kind: fc.constant('die' as const), by: processes }),
  fc.record({ kind: fc.constant('interrupt' as const), by: processes }),
  fc.record({ kind: fc.constant('by hand' as const) }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 200_000 }) }),
)

test('in any history of a schedule each time is run once, what was missed is made up for once, and who has lost the lease changes nothing', async () => {
  const clocked = clockedDatabase()
  const { database } = sqliteSession(clocked.database)
  await migrate(database, [scheduleFeature('schedules')])
  const store = scheduleStore('sqlite', 'schedules')
  const dueOf = clocked.database.prepare('SELECT due FROM schedules')
  let [events, ended, made, madeUp, lost] = [0, 0, 0, 0, 0]
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30, size: 'max' }), async (steps) => {
      clocked.database.exec('DELETE FROM schedules')
      await database.transaction((tx) => store.prepare(tx, schedule))
      /** What the table must say. */
      let due = nextMinute(clocked.nowMs)
      let holder: { by: number; until: number } | undefined
      const running = new Map<number, { held: Held; due: number; next: number }>()
      let byHand = false
      const done = new Set<number>()
      const isFree = () => !holder || holder.until <= clocked.nowMs
      /** A time is run to its end once, but for one that was asked for by hand in the same ms. */
      const isDone = (at: number) => {
        expect(done.has(at) && !byHand).toBe(false)
        done.add(at)
        byHand = false
      }
      for (const one of steps) {
        const next = nextMinute(clocked.nowMs)
        switch (one.kind) {
          case 'wait':
            clocked.nowMs += one.ms
            break
          case 'event': {
            const mayRun = due <= clocked.nowMs && isFree()
            expect(await database.transaction((tx) => store.advance(tx, schedule, due))).toBe(mayRun)
            if (!mayRun) break
            if (clocked.nowMs - due > EVERY_MS) madeUp++
            isDone(due)
            due = next
            holder = undefined
            events++
            break
          }
          case 'begin': {
            const mayRun = due <= clocked.nowMs && isFree()
            const held = await database.transaction((tx) => store.claim(tx, 'a', { due, owner: `owner-${one.by}`, ttlMs: TTL_MS }))
            expect(held !== undefined).toBe(mayRun)
            if (!held) break
            running.set(one.by, { held, due, next })
            holder = { by: one.by, until: clocked.nowMs + TTL_MS }
            made++
            break
          }
          case 'renew': {
            const mine = running.get(one.by)
            if (!mine) break
            const kept = await database.transaction((tx) => store.renew(tx, mine.held, TTL_MS))
            if (kept) holder = { by: one.by, until: clocked.nowMs + TTL_MS }
            else {
              expect(holder?.by).not.toBe(one.by)
              running.delete(one.by)
              lost++
            }
            break
          }
          case 'end': {
            const mine = running.get(one.by)
            if (!mine) break
            running.delete(one.by)
            const failed = one.fails ? 'no' : undefined
            const marked = await database.transaction((tx) =>
              store.finish(tx, mine.held, { schedule, due: mine.due, next: mine.next, failed }),
            )
            expect(marked).toBe(holder?.by === one.by)
            if (!marked) {
              lost++
              break
            }
            holder = undefined
            isDone(mine.due)
            if (due === mine.due) due = mine.next
            ended++
            break
          }
          case 'die':
            running.delete(one.by)
            break
          case 'interrupt': {
            const mine = running.get(one.by)
            if (!mine) break
            running.delete(one.by)
            const released = await database.transaction((tx) => store.release(tx, mine.held))
            expect(released).toBe(holder?.by === one.by)
            if (released) holder = undefined
            break
          }
          case 'by hand':
            expect(await database.transaction((tx) => store.runNow(tx, 'a'))).toBe(true)
            due = clocked.nowMs
            byHand = true
        }
        expect(dueOf.get()?.due).toBe(due)
      }
    }),
    { numRuns: 1_000 },
  )
  // The histories had all of it.
  expect(Math.min(events, ended, made, madeUp, lost)).toBeGreaterThan(3)
  clocked.database.close()
}, 120_000)

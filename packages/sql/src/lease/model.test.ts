import fc from 'fast-check'
import { expect, test } from 'vitest'
import { migrate } from '../database/schema.ts'
import { clockedDatabase } from '../fixtures/clock.ts'
import { sqliteSession } from '../session/sqlite.ts'
import { type Held, leaseFeature, leaseStore } from './store.ts'

const owners = fc.integer({ min: 0, max: 3 })
const ttlMs = fc.integer({ min: 1, max: 1_000 })

const step = fc.oneof(
  fc.record({ kind: fc.constant('take' as const), by: owners, ttlMs }),
  fc.record({ kind: fc.constant('renew' as const), by: owners, ttlMs }),
  fc.record({ kind: fc.constant('release' as const), by: owners }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 900 }) }),
)

test('in any history of a lease one holder has it at a time, each with a greater fence, and who has lost it can neither keep it nor give it back', async () => {
  const clocked = clockedDatabase()
  const { database } = sqliteSession(clocked.database)
  await migrate(database, [leaseFeature('leases')])
  const store = leaseStore('sqlite', 'leases')
  let [taken, refused, lost, late] = [0, 0, 0, 0]
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
      clocked.database.exec('DELETE FROM leases')
      /** What each believes to have. */
      const held = new Map<number, Held>()
      let holder: { by: number; until: number } | undefined
      let fence = 0
      for (const one of steps)
        switch (one.kind) {
          case 'wait':
            clocked.nowMs += one.ms
            break
          case 'take': {
            const free = !holder || holder.until <= clocked.nowMs
            const left = await database.read((tx) => store.left(tx, 'a'))
            expect(left).toBe(free ? 0 : (holder?.until ?? 0) - clocked.nowMs)
            const got = await database.transaction((tx) => store.take(tx, 'a', `owner-${one.by}-${fence}`, one.ttlMs))
            expect(got !== undefined).toBe(free)
            if (!got) {
              refused++
              break
            }
            expect(got.fence).toBeGreaterThan(fence)
            fence = got.fence
            held.set(one.by, got)
            holder = { by: one.by, until: clocked.nowMs + one.ttlMs }
            taken++
            break
          }
          case 'renew': {
            const mine = held.get(one.by)
            if (!mine) break
            const kept = await database.transaction((tx) => store.renew(tx, mine, one.ttlMs))
            expect(kept).toBe(holder?.by === one.by)
            if (kept && (holder?.until ?? 0) <= clocked.nowMs) late++
            if (kept) holder = { by: one.by, until: clocked.nowMs + one.ttlMs }
            else {
              held.delete(one.by)
              lost++
            }
            break
          }
          case 'release': {
            const mine = held.get(one.by)
            if (!mine) break
            expect(await database.transaction((tx) => store.release(tx, mine))).toBe(holder?.by === one.by)
            held.delete(one.by)
            if (holder?.by === one.by) holder = undefined
          }
        }
    }),
    { numRuns: 2_000 },
  )
  // The histories had all of it.
  expect(Math.min(taken, refused, lost, late)).toBeGreaterThan(100)
  clocked.database.close()
}, 120_000)

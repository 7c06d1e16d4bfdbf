import fc from 'fast-check'
import { expect, test } from 'vitest'
import { migrate } from '../database/schema.ts'
import { clockedDatabase } from '../fixtures/clock.ts'
import { sqliteSession } from '../session/sqlite.ts'
import { sqlInbox } from './inbox.ts'
import { deleteExpired, takeCleanUp } from './table.ts'

const KEEP_MS = 10_000
const EVERY_MS = 3_000

const step = fc.oneof(
  // A delivery of one of three messages, to one of two groups, whose handler succeeds or fails.
  fc.record({
    kind: fc.constant('deliver' as const),
    group: fc.integer({ min: 0, max: 1 }),
    id: fc.integer({ min: 0, max: 2 }),
    fails: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 7_000 }) }),
  fc.record({ kind: fc.constant('clean up' as const) }),
)

test('in any history of deliveries, failures and clean-ups an effect happens once within the time that is kept, and what expired is forgotten', async () => {
  const clocked = clockedDatabase()
  const { database } = clocked
  const sessions = sqliteSession(database)
  const inbox = sqlInbox({ keepMs: KEEP_MS })
  await migrate(sessions.database, [inbox.feature])
  let [deliveries, copies, forgotten] = [0, 0, 0]
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
      database.exec('DELETE FROM processed_events')
      const handledAt = new Map<string, number>()
      let nextCleanUp = 0
      for (const one of steps)
        switch (one.kind) {
          case 'wait':
            clocked.nowMs += one.ms
            break
          case 'deliver': {
            const [group, id] = [`group-${one.group}`, `id-${one.id}`]
            const first = await sessions
              .write(async (db) => {
                const isFirst = await inbox.firstTime(db, group, { topic: 'orders', id })
                if (isFirst && one.fails) throw new Error('no')
                return isFirst
              })
              .catch(() => 'failed' as const)
            const before = handledAt.get(`${group} ${id}`)
            expect(first).toBe(before === undefined ? (one.fails ? 'failed' : true) : false)
            if (first === true) handledAt.set(`${group} ${id}`, clocked.nowMs)
            deliveries++
            if (first === false) copies++
            break
          }
          case 'clean up': {
            const taken = await sessions.database.transaction((tx) => takeCleanUp(tx, 'processed_events', EVERY_MS))
            expect(taken).toBe(clocked.nowMs >= nextCleanUp)
            if (!taken) break
            nextCleanUp = clocked.nowMs + EVERY_MS
            const expired = [...handledAt].filter(([, at]) => at < clocked.nowMs - KEEP_MS)
            expect(
              await sessions.database.transaction((tx) => deleteExpired(tx, 'processed_events', { keepMs: KEEP_MS, everyMs: EVERY_MS })),
            ).toBe(expired.length)
            for (const [key] of expired) handledAt.delete(key)
            forgotten += expired.length
          }
        }
    }),
    { numRuns: 2_000 },
  )
  // The histories had all of it.
  expect(Math.min(deliveries, copies, forgotten)).toBeGreaterThan(500)
  database.close()
}, 120_000)

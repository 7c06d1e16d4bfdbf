import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { migrate } from '../src/database/schema.ts'
import { sqlLeases } from '../src/lease/lease.ts'
import { leaseFeature, leaseStore } from '../src/lease/store.ts'
import { defineSchedule } from '../src/schedule/schedule.ts'
import { scheduleFeature, scheduleStore } from '../src/schedule/store.ts'
import type { DatabaseName } from './cases/case.ts'
import type { Store } from './stores.ts'

const servers = inject('servers')
const installed = inject('librariesInstalled')
const stores = installed ? await import('./stores.ts') : undefined

const URLS: Readonly<Record<DatabaseName, string | undefined>> = {
  SQLite: 'a file of its own',
  PGlite: 'in the process',
  PostgreSQL: servers.postgres,
  MariaDB: servers.mariadb,
}
const NAMES: readonly DatabaseName[] = ['SQLite', 'PGlite', 'PostgreSQL', 'MariaDB']
const HOUR_MS = 3_600_000

describe.each(NAMES)('on %s', (name) => {
  describe.skipIf(!installed || URLS[name] === undefined)('', () => {
    let opened: Store
    beforeAll(async () => {
      opened = (await stores?.STORES[name](URLS[name] ?? '')) as Store
    })
    afterAll(() => opened?.close())

    async function freshLeases() {
      const { database } = opened
      const table = stores?.freshTable('leases') ?? ''
      await migrate(database, [leaseFeature(table)])
      const store = leaseStore(database.dialect, table)
      const take = (owner: string, ttlMs = HOUR_MS) => database.transaction((tx) => store.take(tx, 'a', owner, ttlMs))
      const expire = () => database.transaction((tx) => tx.query(`UPDATE ${table} SET expires = expires - ${2 * HOUR_MS}`))
      return { database, table, store, take, expire }
    }

    test('of eight that take a lease at once one has it, the first time and when it has ended', async () => {
      const { take, expire } = await freshLeases()
      for (const fence of [1, 2, 3]) {
        const taken = await Promise.all(Array.from({ length: 8 }, (_, n) => take(`owner-${n}`)))
        expect(taken.filter((one) => one !== undefined)).toEqual([expect.objectContaining({ fence })])
        await expire()
      }
    })

    test('who has a lease keeps it and gives it back; who has lost it does neither', async () => {
      const { database, store, take, expire } = await freshLeases()
      const one = await take('one', 5)
      if (!one) throw new Error('it was free')
      await expire()
      // It has ended, and nobody has taken it.
      expect(await database.transaction((tx) => store.renew(tx, one, HOUR_MS))).toBe(true)
      expect(await take('two')).toBeUndefined()
      expect(await database.read((tx) => store.left(tx, 'a'))).toBeGreaterThan(HOUR_MS / 2)
      await expire()
      const two = await take('two')
      expect(two).toMatchObject({ fence: 2 })
      expect(await database.transaction((tx) => store.renew(tx, one, HOUR_MS))).toBe(false)
      expect(await database.transaction((tx) => store.release(tx, one))).toBe(false)
      if (two) expect(await database.transaction((tx) => store.release(tx, two))).toBe(true)
      expect(await database.read((tx) => store.left(tx, 'a'))).toBe(0)
    })

    test('four who wait for a lease have it one after the other', async () => {
      const { database, table } = await freshLeases()
      const leases = sqlLeases({ database, table })
      let running = 0
      const fences: number[] = []
      await Promise.all(
        Array.from({ length: 4 }, () =>
          leases.lease('a', { ttlMs: 20_000 }, async ({ fence }) => {
            expect(++running).toBe(1)
            fences.push(fence)
            await database.read((tx) => tx.query('SELECT 1 AS one'))
            running--
          }),
        ),
      )
      expect(fences).toEqual([1, 2, 3, 4])
    })

    test('a schedule is planned once, its run is taken once, and its end plans the next', async () => {
      const { database } = opened
      const table = stores?.freshTable('schedules') ?? ''
      await migrate(database, [scheduleFeature(table)])
      const store = scheduleStore(database.dialect, table)
      const schedule = defineSchedule('nightly', '0 3 1 1 *', () => undefined, { timeZone: 'Europe/Berlin' })
      const tx = database.transaction
      const planned = async () => (await database.read((reading) => store.plan(reading, ['nightly', 'another']))).planned.get('nightly')
      await Promise.all(Array.from({ length: 4 }, () => tx((one) => store.prepare(one, schedule))))
      const next = (await planned())?.due ?? 0
      expect(await planned()).toEqual({
        name: 'nightly',
        cron: '0 3 1 1 *',
        timeZone: 'Europe/Berlin',
        due: next,
        ran: undefined,
        failed: undefined,
        owner: '',
        expires: 0,
      })
      expect(next).toBeGreaterThan((await database.read((reading) => store.plan(reading))).now)
      const due = next - 5 * 366 * 24 * HOUR_MS
      const overdue = () => tx((one) => one.query(`UPDATE ${table} SET due = ${due}`))

      await overdue()
      const advanced = await Promise.all(Array.from({ length: 4 }, () => tx((one) => store.advance(one, schedule, due))))
      expect(advanced.filter(Boolean)).toHaveLength(1)
      expect((await planned())?.due).toBe(next)

      await overdue()
      const claiming = Array.from({ length: 4 }, (_, n) =>
        tx((one) => store.claim(one, 'nightly', { due, owner: `owner-${n}`, ttlMs: HOUR_MS })),
      )
      const [held, ...others] = (await Promise.all(claiming)).filter((one) => one !== undefined)
      expect([held?.fence, others]).toEqual([2, []])
      expect(await tx((one) => store.advance(one, schedule, due))).toBe(false)
      if (!held) return
      const end = { schedule, due, next, failed: 'no report for ü\0' }
      expect(await tx((one) => store.finish(one, { ...held, fence: 1 }, end))).toBe(false)
      expect(await tx((one) => store.finish(one, held, end))).toBe(true)
      expect(await planned()).toMatchObject({ due: next, failed: 'no report for ü', expires: 0, ran: expect.any(Number) })

      // A run that is asked for while another one runs comes after it.
      await overdue()
      const again = await tx((one) => store.claim(one, 'nightly', { due, owner: 'again', ttlMs: HOUR_MS }))
      expect(await tx((one) => store.runNow(one, 'nightly'))).toBe(true)
      const asked = (await planned())?.due ?? 0
      if (again) expect(await tx((one) => store.finish(one, again, { schedule, due, next }))).toBe(true)
      expect(await planned()).toMatchObject({ due: asked, failed: undefined })
      expect(asked).toBeLessThan(next)
      expect(await tx((one) => store.remove(one, 'nightly'))).toBe(true)
      expect(await tx((one) => store.remove(one, 'nightly'))).toBe(false)
    })
  })
})

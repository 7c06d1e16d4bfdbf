import { setTimeout as sleep } from 'node:timers/promises'
import { CorebusError } from '@corebus/core'
import { expect, test } from 'vitest'
import type { SqlDatabase } from '../database/database.ts'
import { migrate } from '../database/schema.ts'
import { freshDatabase } from '../fixtures/database.ts'
import { until } from '../fixtures/until.ts'
import { sqliteSession } from '../session/sqlite.ts'
import { type SqlLeasesOptions, sqlLeases } from './lease.ts'

async function leasesOn(change: (database: SqlDatabase) => SqlDatabase = (database) => database) {
  const { database } = freshDatabase()
  const sessions = sqliteSession(database)
  const leases = sqlLeases({ database: change(sessions.database) })
  await migrate(sessions.database, [leases.feature])
  const row = () => database.prepare('SELECT owner, fence, expires FROM leases').get()
  return { database, sessions, row, ...leases }
}

test('a lease is had by one at a time, in turn, and its fence grows', async () => {
  const { lease } = await leasesOn()
  let running = 0
  const fences: number[] = []
  const work = async ({ fence }: { fence: number }) => {
    expect(++running).toBe(1)
    fences.push(fence)
    await sleep(5)
    running--
    return fence
  }
  const results = await Promise.all(Array.from({ length: 4 }, () => lease('a', {}, work)))
  expect(fences).toEqual([1, 2, 3, 4])
  expect(results.toSorted()).toEqual([1, 2, 3, 4])
})

test('tryLease says that somebody has the lease, and does not wait; another name is another lease', async () => {
  const { lease, tryLease } = await leasesOn()
  await lease('a', {}, async () => {
    expect(await tryLease('a', {}, () => 1)).toEqual({ held: false })
    expect(await tryLease('b', {}, () => 2)).toEqual({ held: true, result: 2 })
  })
  expect(await tryLease('a', {}, () => 3)).toEqual({ held: true, result: 3 })
})

test('a lease is given back when its work throws, and the error is passed on', async () => {
  const { lease, row } = await leasesOn()
  const failing = lease('a', {}, () => {
    throw new Error('no')
  })
  await expect(failing).rejects.toThrow('no')
  expect(row()).toEqual({ owner: '', fence: 1, expires: 0 })
})

test('a lease is kept for as long as its work runs', async () => {
  const { lease, tryLease, row } = await leasesOn()
  const expires = () => Number(row()?.expires)
  await lease('a', { ttlMs: 2_000 }, async ({ signal }) => {
    const first = expires()
    // Its first time is over then, but for the renewals.
    await until(() => expect(Date.now()).toBeGreaterThan(first))
    expect(await tryLease('a', {}, () => 1)).toEqual({ held: false })
    expect(expires()).toBeGreaterThan(first)
    expect(signal.aborted).toBe(false)
  })
})

test('a lease that somebody else has taken is lost: the signal says so, and so does the error, whatever the work does', async () => {
  const { database, lease } = await leasesOn()
  const taken = () => void database.prepare("UPDATE leases SET owner = 'somebody', fence = fence + 1").run()
  const ends = [
    (signal: AbortSignal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    (signal: AbortSignal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve('all is well'))),
    (signal: AbortSignal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('another')))),
  ]
  for (const end of ends) {
    database.exec('DELETE FROM leases')
    const losing = lease('a', { ttlMs: 60 }, async ({ signal }) => {
      const ended = end(signal)
      taken()
      return ended
    })
    await expect(losing).rejects.toMatchObject({ code: 'LEASE_LOST', message: expect.stringContaining('the lease a was lost') })
    expect(database.prepare('SELECT owner, fence FROM leases').get()).toEqual({ owner: 'somebody', fence: 2 })
  }
})

test('a lease is lost when the database does not answer until its time is over, or refuses', async () => {
  for (const failing of [() => new Promise<never>(() => {}), () => Promise.reject(new Error('the database is away'))]) {
    let isAway = false
    const { lease } = await leasesOn((database) => ({
      ...database,
      transaction: (work) => (isAway ? failing() : database.transaction(work)),
    }))
    const reason = await lease('a', { ttlMs: 90 }, async ({ signal }) => {
      isAway = true
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      throw signal.reason
    }).catch((thrown: unknown) => thrown)
    expect(reason).toBeInstanceOf(CorebusError)
    expect(reason).toMatchObject({ code: 'LEASE_LOST', message: expect.stringContaining('not renewed within 90 ms') })
  }
})

test('who waits for a lease can be told to stop', async () => {
  const { lease } = await leasesOn()
  await lease('a', {}, async () => {
    const waiting = new AbortController()
    const second = lease('a', { signal: waiting.signal }, () => 1)
    waiting.abort(new Error('enough'))
    await expect(second).rejects.toThrow('enough')
  })
})

test('what cannot be a name or an option of a lease is refused', async () => {
  const { lease, tryLease } = await leasesOn()
  for (const name of ['', 'a b', 'ä', 'x'.repeat(201), undefined])
    await expect(lease(name as string, {}, () => 1)).rejects.toMatchObject({ code: 'NAME' })
  await expect(tryLease('a', { ttl: 5 } as never, () => 1)).rejects.toMatchObject({ code: 'OPTION' })
  await expect(tryLease('a', { ttlMs: 0 }, () => 1)).rejects.toMatchObject({ code: 'OPTION' })
  expect(() => sqlLeases({} as SqlLeasesOptions)).toThrow(expect.objectContaining({ code: 'SQL_DATABASE' }))
})

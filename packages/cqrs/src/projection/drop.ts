import { CorebusError } from '@corebus/core'
import { leaseOf } from './status.ts'
import type { Workings } from './workings.ts'

/**
 * Drops a projection's collections and forgets where it stood. The journal stays. A process that handles its events makes its collections anew with the next.
 * @throws CorebusError PROJECTION for one that nobody knows, REBUILD_RUNS
 */
export async function drop(name: string, { database, barrier, generations, store, leases }: Workings): Promise<readonly string[]> {
  const tried = await leases.tryLease(leaseOf(name), {}, async () => {
    const names = await database.transaction(async (tx) => {
      await barrier.close(tx)
      const known = await generations.all(tx)
      if (!known.some((one) => one.name === name)) throw new CorebusError('PROJECTION', `the database knows no projection ${name}`)
      return generations.forget(tx, name)
    })
    for (const one of names) await store.drop(one)
    return names
  })
  if (tried.held) return tried.result
  throw new CorebusError('REBUILD_RUNS', `projection ${name} is being rebuilt: it cannot be dropped now`)
}

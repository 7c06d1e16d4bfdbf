import { setTimeout as pause } from 'node:timers/promises'
import { txOf } from '@corebus/sql/internal'
import { type Difference, differencesIn, withStrangers } from './differences.ts'
import { kindsOf, masterEntries, replicaEntries } from './entries.ts'
import { entriesOf, isSame, partOf, summaries, summaryOf } from './summary.ts'
import { trackChanges } from './track.ts'
import type { BoundMaster, BoundReplica } from './workings.ts'

export interface DiffOptions {
  /** Compares the fields too, and not the revisions alone: what was written at either side without saying so is found. Default false. */
  readonly deep?: boolean
  /** Differences are looked at again after so many ms: a change may just be on its way. Default 1,000. */
  readonly settleMs?: number
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: { readonly rows: number; readonly differing: number }) => void
}

/** The most rows that are listed for having been written without saying so. */
export const MOST_STRANGERS = 10_000

/** Compares a master with a replica, both within reach: parts by their hashes, and of those that differ the rows. */
export async function diff(from: BoundMaster, to: BoundReplica, options: DiffOptions = {}): Promise<readonly Difference[]> {
  const { settleMs = 1_000, signal } = options
  const found = await compare(from, to, options)
  if (found.length === 0 || settleMs === 0) return found
  await pause(settleMs, undefined, signal && { signal })
  const again = new Map((await compare(from, to, options)).map((one) => [one.key, one]))
  // A row that differs in another way by now is being changed.
  return found.flatMap((one) => {
    const now = again.get(one.key)
    return now && now.master === one.master && now.replica === one.replica ? [now] : []
  })
}

async function compare(
  from: BoundMaster,
  to: BoundReplica,
  { deep = false, signal, onProgress }: DiffOptions,
): Promise<readonly Difference[]> {
  const kinds = deep ? await from.database.read((tx) => kindsOf(tx, from)) : undefined
  const [masters, replicas] = [masterEntries(from, kinds), replicaEntries(to, kinds)]
  const found: Difference[] = []
  let rows = 0
  for await (const summary of summaries(masters, from.database.read)) {
    signal?.throwIfAborted()
    const part = partOf(summary)
    const theirs = await to.database.read((tx) => entriesOf(replicas, tx, part))
    if (!isSame(summary, summaryOf(theirs, summary))) {
      const ours = await from.database.read((tx) => entriesOf(masters, tx, part))
      found.push(...differencesIn(ours, theirs))
    }
    rows += summary.rows
    onProgress?.({ rows, differing: found.length })
  }
  const all = withStrangers(found, {
    masters: await from.database.read((tx) => masters.strangers(tx, MOST_STRANGERS)),
    replicas: await to.database.read((tx) => replicas.strangers(tx, MOST_STRANGERS)),
  })
  return withTombstones(all, to)
}

/** A master that was restored from a backup has rows that the replica has deleted since, at a revision that a repair has to pass. */
async function withTombstones(found: readonly Difference[], { replica, accepted, database }: BoundReplica): Promise<readonly Difference[]> {
  const keys = found.filter((one) => one.replica === null).map(({ key }) => key)
  if (keys.length === 0) return found
  const tombstones = await database.read((tx) => accepted.tombstones(tx, replica.name, keys))
  return found.map((one) => {
    const tombstone = one.replica === null ? tombstones.get(one.key) : undefined
    return tombstone === undefined ? one : { ...one, tombstone }
  })
}

/**
 * Records each of these rows anew, as the master has it or its delete, under a revision above both sides'. Replicas take it whatever they have, and changes
 * that are made meanwhile stand before or behind it.
 */
export async function fix(bound: BoundMaster, differences: readonly Pick<Difference, 'key' | 'replica' | 'tombstone'>[]): Promise<void> {
  const { master, revisions, messaging, database } = bound
  for (const { key, replica, tombstone } of differences)
    await messaging.session(async (db) => {
      const both = { db, tx: txOf(db, database.dialect) }
      await revisions.raise(both.tx, master.id, key, Math.max(replica ?? 0, tombstone ?? 0, 0))
      await trackChanges(bound, both, key, () => undefined)
    })
}

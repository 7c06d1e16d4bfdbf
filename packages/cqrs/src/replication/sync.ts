import { setTimeout as pause } from 'node:timers/promises'
import { isConflict, txOf } from '@corebus/sql/internal'
import { newChange, type RowChange } from './change.ts'
import { inLockOrder, type Key, keyText } from './keys.ts'
import { readProgress, writeProgress } from './progress.ts'
import { changeId } from './published-lines.ts'
import type { Revision } from './revisions.ts'
import type { Row } from './rows.ts'
import { type State, statesOf } from './state.ts'
import { inStatements } from './statement.ts'
import { adopt, refuseKeyless } from './strangers.ts'
import { trackChanges } from './track.ts'
import type { BoundMaster } from './workings.ts'

export interface SyncOptions {
  /** Only these rows. Default: all. */
  readonly keys?: readonly Key[]
  /** Only rows for which it is true. */
  readonly filter?: (row: Row) => boolean
  /** The name of the one replica that it is for. Default: all. */
  readonly to?: string
  /** Rows of one transaction, which are locked until its end. Default 500. */
  readonly pageSize?: number
  /** The most rows in a second. Default: as many as the database can. */
  readonly perSecond?: number
  /** `false`: begins anew, where an earlier one was ended in the middle. Default true. One with keys or a filter begins anew always. */
  readonly resume?: boolean
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: { readonly sent: number; readonly total: number | undefined }) => void
}

export interface Synced {
  /** Rows whose state was recorded. */
  readonly sent: number
  /** Rows that had no revision: they were written before the master was, or without `track`. */
  readonly adopted: number
  /** Rows that had a revision and are not there any more: their deletes were recorded. */
  readonly deleted: number
}

const ADOPTED_AT_ONCE = 5_000

/**
 * Records the state of rows, each at the revision that it has. Who writes them meanwhile waits for a page at most; replicas take whichever is later. Ended in
 * the middle, it goes on there the next time, unless it was for some rows only.
 */
export async function sync(bound: BoundMaster, options: SyncOptions = {}): Promise<Synced> {
  const { keys, to, pageSize = 500, perSecond, resume = true, signal, onProgress } = options
  const { master, database, tables, messaging, revisions } = bound
  const adopted = await adoptAll(bound)
  const total = keys?.length ?? (await database.read((tx) => revisions.totals(tx, master.id))).rows
  const name = to === undefined ? master.id : `${master.id} ${to}`
  const wanted = keys && inStatements(inLockOrder(keys.map((key) => keyText(key, `sync of ${master.id}`))), pageSize)
  // A page that a filter has gone through is no page that all rows were sent of.
  const isKept = !keys && !options.filter
  let after = resume && isKept ? ((await database.read((tx) => readProgress(tx, tables.progress, name))) ?? '') : ''
  let [sent, deleted] = [0, 0]
  for (let n = 0; ; n++) {
    signal?.throwIfAborted()
    const begunAt = performance.now()
    const some = wanted?.[n]
    if (wanted && !some) break
    const page = await untilNoConflict(
      () =>
        messaging.session(async (db) => {
          const both = { db, tx: txOf(db, database.dialect) }
          const done = await syncPage(bound, both, { after, limit: pageSize, ...options, ...(some && { keys: some }) })
          if (isKept) await writeProgress(both.tx, tables.progress, name, done.last)
          return done
        }),
      signal,
    )
    sent += page.sent
    deleted += page.deleted
    onProgress?.({ sent, total })
    if (!wanted && page.last === undefined) break
    after = page.last ?? after
    const aheadMs = perSecond === undefined ? 0 : (page.sent / perSecond) * 1_000 - (performance.now() - begunAt)
    if (aheadMs > 0) await pause(aheadMs, undefined, signal && { signal })
  }
  return { sent, adopted, deleted }
}

/** Sessions are run again three times at once, which is few for one that locks some hundred rows beside many writers. */
const MOST_CONFLICTS = 20
const FIRST_WAIT_MS = 10
const LONGEST_WAIT_MS = 500

/** Runs the session of a page again when the database ends it because of another one. Nothing of it has happened then. */
async function untilNoConflict<T>(session: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  for (let n = 1; ; n++) {
    try {
      return await session()
    } catch (thrown) {
      if (n > MOST_CONFLICTS || !isConflict(thrown)) throw thrown
      // Jitter, so that it does not meet the same writers again.
      const waitMs = Math.min(FIRST_WAIT_MS * 2 ** (n - 1), LONGEST_WAIT_MS) * (0.5 + Math.random())
      await pause(waitMs, undefined, signal && { signal })
    }
  }
}

/** Gives rows without a revision their first one. @throws CorebusError REPLICATION_KEY for rows that can have none */
export async function adoptAll(bound: BoundMaster): Promise<number> {
  const { master, database, tables } = bound
  const known = { revisions: tables.masters, column: 'master', name: master.id } as const
  await database.read(async (tx) => refuseKeyless(tx, await bound.table(tx), `master ${master.id}`))
  for (let adopted = 0; ; ) {
    const some = await database.transaction(async (tx) => adopt(tx, await bound.table(tx), known, ADOPTED_AT_ONCE))
    adopted += some
    if (some < ADOPTED_AT_ONCE) return adopted
  }
}

export interface Page extends Pick<SyncOptions, 'filter' | 'to'> {
  readonly after: string
  readonly limit: number
  readonly keys?: readonly Key[]
}

/** A page of rows, locked. `last` is undefined behind the last one. */
export async function syncPage(
  bound: BoundMaster,
  both: Parameters<typeof trackChanges>[1],
  { after, limit, keys, filter, to }: Page,
): Promise<{ readonly sent: number; readonly deleted: number; readonly last: string | undefined }> {
  const { master, revisions, messaging, type } = bound
  const { tx } = both
  const found = keys
    ? await revisions.lock(tx, master.id, keys.map(String))
    : await revisions.page(tx, master.id, { after, limit, lock: true })
  const texts = found.map(({ key }) => key)
  const states = await statesOf(tx, master, await bound.table(tx), texts, { latest: true })
  let sent = 0
  for (const revision of found) {
    const state = states.get(revision.key)
    if (!state || filter?.(state.fields) === false) continue
    // The session of the instance writes all of the page in one statement.
    messaging.emit(type, syncOf(bound, revision, state, to), { id: changeId(revision.revision) })
    sent++
  }
  const missing = texts.filter((key) => !states.has(key))
  if (missing.length > 0) await trackChanges(bound, both, missing, () => undefined)
  return { sent, deleted: missing.length, last: !keys && found.length === limit ? texts.at(-1) : undefined }
}

export function syncOf({ master }: Pick<BoundMaster, 'master'>, { key, revision, at }: Revision, { row }: State, to?: string): RowChange {
  const meta = master.meta?.({ key, revision })
  return newChange({
    kind: 'sync',
    master: master.id,
    key,
    revision,
    updated: new Date(at).toISOString(),
    row,
    ...(meta !== undefined && { meta }),
    ...(to !== undefined && { to }),
  })
}

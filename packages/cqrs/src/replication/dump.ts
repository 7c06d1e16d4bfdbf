import { CorebusError } from '@corebus/core'
import { txOf } from '@corebus/sql/internal'
import { applyChange } from './apply.ts'
import { changeType, type RowChange } from './change.ts'
import { type Reading, written } from './ndjson.ts'
import { statesOf } from './state.ts'
import { adoptAll, syncOf } from './sync.ts'
import type { BoundMaster, BoundReplica } from './workings.ts'

const PAGE = 1_000

/** All rows of a master as lines, each at its revision: a page is read while its keys are locked. */
export async function dumpFile(bound: BoundMaster): Promise<AsyncGenerator<string>> {
  await adoptAll(bound)
  return written({ corebus: 'dump', master: bound.master.id }, changesOf(bound))
}

async function* changesOf(bound: BoundMaster): AsyncGenerator<RowChange> {
  const { master, revisions, database } = bound
  for (let after = ''; ; ) {
    const from = after
    const page = await database.transaction(async (tx) => {
      const found = await revisions.page(tx, master.id, { after: from, limit: PAGE, lock: true })
      const keys = found.map(({ key }) => key)
      const states = await statesOf(tx, master, await bound.table(tx), keys, { latest: true })
      const changes = found.flatMap((revision) => {
        const state = states.get(revision.key)
        return state ? [syncOf(bound, revision, state)] : []
      })
      return { changes, last: keys.length === PAGE ? keys.at(-1) : undefined }
    })
    yield* page.changes
    if (page.last === undefined) return
    after = page.last
  }
}

export interface LoadOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: (loaded: Loaded) => void
}

export interface Loaded {
  readonly read: number
  /** Rows that the replica did not know as later ones. */
  readonly applied: number
}

/**
 * Applies the lines of a dump to a replica, a page in a transaction, as if they had come as messages: consumers may run meanwhile, and a second run changes
 * nothing. @throws CorebusError REPLICATION_FILE behind what could be read of a file that was cut
 */
export async function loadFile(bound: BoundReplica, { head, lines }: Reading, { signal, onProgress }: LoadOptions = {}): Promise<Loaded> {
  const { replica, messaging, database } = bound
  if (head.master !== replica.id)
    throw new CorebusError(
      'REPLICATION_FILE',
      `the dump is of the master ${head.master}, and replica ${replica.name} follows ${replica.id}`,
    )
  const { decode } = changeType(replica.id, replica.topic)
  const context = { logger: messaging.logger, signal: signal ?? new AbortController().signal, id: '', headers: {} }
  let [read, applied] = [0, 0]
  const apply = async (changes: readonly RowChange[]): Promise<void> => {
    signal?.throwIfAborted()
    await messaging
      .session(async (db) => {
        const tx = txOf(db, database.dialect)
        const table = await bound.table(tx)
        let taken = 0
        for (const change of changes) if (await applyChange(bound, table, change, { ...context, db, tx })) taken++
        return taken
      })
      .then((taken) => {
        applied += taken
      })
    read += changes.length
    onProgress?.({ read, applied })
  }
  let page: RowChange[] = []
  try {
    for await (const line of lines) {
      page.push(decode(line))
      if (page.length < PAGE) continue
      await apply(page)
      page = []
    }
  } finally {
    // The lines in front of the place where a file was cut are good.
    if (page.length > 0) await apply(page)
  }
  return { read, applied }
}

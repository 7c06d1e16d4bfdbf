import { CorebusError } from '@corebus/core'
import { MOST_STRANGERS } from './diff.ts'
import { type Difference, differencesIn, withStrangers } from './differences.ts'
import { type Entry, type Kinds, kindsOf, masterEntries, replicaEntries } from './entries.ts'
import { type Reading, written } from './ndjson.ts'
import { entriesOf, isSame, partOf, type Summary, shortHash, summaries, summaryOf } from './summary.ts'
import type { BoundMaster, BoundReplica } from './workings.ts'

// A comparison of two databases that cannot see each other, in three steps: the master writes hashes of parts, the replica answers with its rows of the parts
// that differ, and the master compares those.

/** The first step, at the master. */
export async function rangesFile(bound: BoundMaster, { deep }: { readonly deep: boolean }): Promise<AsyncGenerator<string>> {
  const kinds = deep ? await bound.database.read((tx) => kindsOf(tx, bound)) : undefined
  return written({ corebus: 'ranges', master: bound.master.id, deep, kinds }, summaries(masterEntries(bound, kinds), bound.database.read))
}

interface RowsOfPart {
  readonly after: string
  readonly until: string | null
  readonly rows: readonly Entry[]
}

/** The last line of the second step. */
interface Rest {
  readonly strangers: readonly string[]
  /** The highest revision of its tombstones: a repair of a row that the replica lacks has to pass it, or the replica would hold it for an old change. */
  readonly tombstone: number
}

/** The second step, at the replica. */
export function rowsFile(bound: BoundReplica, { head, lines }: Reading): AsyncGenerator<string> {
  const { replica, database, accepted } = bound
  checkMaster(head.master, replica.id)
  const entries = replicaEntries(bound, kindsIn(head))
  async function* differing(): AsyncGenerator<RowsOfPart | Rest> {
    for await (const line of lines) {
      const theirs = line as unknown as Summary // a line of `rangesFile`
      const rows = await database.read((tx) => entriesOf(entries, tx, partOf(theirs)))
      if (!isSame(theirs, summaryOf(rows, theirs))) yield { after: theirs.after, until: theirs.until, rows: rows.map(hashed) }
    }
    yield {
      strangers: await database.read((tx) => entries.strangers(tx, MOST_STRANGERS)),
      tombstone: await database.read((tx) => accepted.highestTombstone(tx, replica.name)),
    }
  }
  return written({ corebus: 'rows', master: head.master, replica: replica.name, deep: head.deep, kinds: head.kinds }, differing())
}

/** The third step, at the master. */
export async function differencesFile(bound: BoundMaster, { head, lines }: Reading): Promise<readonly Difference[]> {
  const { master, database } = bound
  checkMaster(head.master, master.id)
  const entries = masterEntries(bound, kindsIn(head))
  const found: Difference[] = []
  const strangers: string[] = []
  let tombstone = 0
  for await (const line of lines) {
    if (Array.isArray(line.strangers)) {
      const rest = line as unknown as Rest // the last line of `rowsFile`
      strangers.push(...rest.strangers)
      tombstone = rest.tombstone ?? 0 // an older release writes none
    } else {
      const theirs = line as unknown as RowsOfPart // a line of `rowsFile`
      const ours = await database.read((tx) => entriesOf(entries, tx, partOf(theirs)))
      found.push(...differencesIn(ours.map(hashed), theirs.rows))
    }
  }
  const masters = await database.read((tx) => entries.strangers(tx, MOST_STRANGERS))
  const all = withStrangers(found, { masters, replicas: strangers })
  return tombstone === 0 ? all : all.map((one) => (one.replica === null ? { ...one, tombstone } : one))
}

/** The values themselves stay where they are. */
function hashed(entry: Entry): Entry {
  if (!entry.fields) return entry
  return { ...entry, fields: Object.fromEntries(Object.entries(entry.fields).map(([field, text]) => [field, shortHash(text)])) }
}

const kindsIn = ({ deep, kinds }: Reading['head']): Kinds | undefined => (deep ? ((kinds ?? {}) as Kinds) : undefined)

function checkMaster(given: string, ours: string): void {
  if (given !== ours) throw new CorebusError('REPLICATION_FILE', `the file is of the master ${given}, and not of ${ours}`)
}

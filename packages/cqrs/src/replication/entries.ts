import type { SqlTx } from '@corebus/sql'
import { canonical } from './canonical.ts'
import type { ColumnKind, TableColumn } from './columns.ts'
import type { Revision } from './revisions.ts'
import { type Row, type RowTable, readRows } from './rows.ts'
import { statesOf } from './state.ts'
import { refuseKeyless, strangersIn } from './strangers.ts'
import type { BoundMaster, BoundReplica } from './workings.ts'

/** A row as it is compared. */
export interface Entry {
  readonly key: string
  /** -1 for a row that has none. */
  readonly revision: number
  /** Its fields as texts that are the same on every database, in a deep comparison; null where the row is not there. */
  readonly fields?: Readonly<Record<string, string>> | null
}

/** A part of the keys: behind `after`, up to and with `until`, or to the end. */
export interface Part {
  readonly after: string
  readonly until: string | undefined
}

/** A side of a comparison. */
export interface Entries {
  /** The next ones of the part that have a revision, in the order of keys. */
  page(tx: SqlTx, part: Part, limit: number): Promise<readonly Entry[]>
  /** Keys of rows that somebody has written without saying so. */
  strangers(tx: SqlTx, limit: number): Promise<readonly string[]>
}

export type Kinds = Readonly<Record<string, ColumnKind>>

/** The kinds of the master's fields, which say how both sides write them as text. None of what a serialiser makes is known. */
export async function kindsOf(tx: SqlTx, bound: BoundMaster): Promise<Kinds> {
  if (bound.master.serialize) return {}
  return Object.fromEntries((await bound.table(tx)).columns.map(({ name, kind }) => [name, kind]))
}

export function masterEntries(bound: BoundMaster, kinds: Kinds | undefined): Entries {
  const { master, revisions, tables } = bound
  return {
    async page(tx, { after, until }, limit) {
      const found = await revisions.page(tx, master.id, { after, until, limit })
      if (!kinds) return found.map(shallow)
      const states = await statesOf(
        tx,
        master,
        await bound.table(tx),
        found.map(({ key }) => key),
        { latest: false },
      )
      return found.map((one) => {
        const row = states.get(one.key)?.row
        return { ...shallow(one), fields: row ? texts(Object.entries(row), kinds) : null }
      })
    },
    async strangers(tx, limit) {
      const known = { revisions: tables.masters, column: 'master', name: master.id } as const
      const table = await bound.table(tx)
      await refuseKeyless(tx, table, `master ${master.id}`)
      if (!master.skip) return strangersIn(tx, table, known, limit)
      const found: string[] = []
      for (let after: string | undefined = ''; after !== undefined && found.length < limit; ) {
        const some: readonly string[] = await strangersIn(tx, table, known, limit, after)
        found.push(...(await replicated(tx, master.skip, table, some)))
        after = some.length === limit ? some.at(-1) : undefined
      }
      return found.slice(0, limit)
    },
  }
}

/** The keys among them whose rows are not skipped: replicas are not to have those. */
async function replicated(tx: SqlTx, skip: (row: Row) => boolean, table: RowTable, keys: readonly string[]): Promise<readonly string[]> {
  const rows = await readRows(tx, table, keys, { latest: false })
  return [...rows].filter(([, row]) => !skip(row)).map(([key]) => key)
}

/** Fields by the names that the master has for them. A replica without a table has no rows to look at. */
export function replicaEntries(bound: BoundReplica, kinds: Kinds | undefined): Entries {
  const { replica, accepted, tables } = bound
  return {
    async page(tx, { after, until }, limit) {
      const found = await accepted.page(tx, replica.name, { after, until, limit })
      const table = kinds && (await bound.table(tx))
      if (!kinds || !table) return found.map(shallow)
      const rows = await readRows(
        tx,
        table,
        found.map(({ key }) => key),
        { latest: false },
      )
      const named = [...table.map] as readonly (readonly [field: string, TableColumn])[]
      return found.map((one) => {
        const row = rows.get(one.key)
        const values = named.map(([field, { name }]) => [field, row?.[name]] as const)
        return { ...shallow(one), fields: row ? texts(values, kinds) : null }
      })
    },
    async strangers(tx, limit) {
      const table = await bound.table(tx)
      return table ? strangersIn(tx, table, { revisions: tables.replicas, column: 'replica', name: replica.name }, limit) : []
    },
  }
}

const shallow = ({ key, revision }: Revision): Entry => ({ key, revision })

const texts = (values: readonly (readonly [field: string, unknown])[], kinds: Kinds): Readonly<Record<string, string>> =>
  Object.fromEntries(values.map(([field, value]) => [field, canonical(value, Object.hasOwn(kinds, field) ? kinds[field] : undefined)]))

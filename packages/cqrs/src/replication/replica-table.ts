import { CorebusError } from '@corebus/core'
import type { SqlTx } from '@corebus/sql'
import { describedTable, type TableColumn } from './columns.ts'
import { checkKeyColumn } from './keys.ts'
import type { Replica } from './replica.ts'
import type { RowTable } from './rows.ts'

/** The table of a replica, and what its columns are set to. */
export interface ReplicaTable extends RowTable {
  /** The columns by the fields of the master. */
  readonly map: ReadonlyMap<string, TableColumn>
  readonly revision: TableColumn | undefined
  readonly updated: TableColumn | undefined
}

/**
 * The table of a replica as its database describes it, checked both ways: what the map names is there and takes values, and what the table needs has a
 * source. Undefined for a replica without a table.
 * @throws CorebusError REPLICATION with everything that does not fit
 */
export async function replicaTable(tx: SqlTx, replica: Replica): Promise<ReplicaTable | undefined> {
  const { id, name, table, map, columns: own } = replica
  if (table === undefined) return undefined
  const what = `replica ${name} of ${id}`
  const columns = await describedTable(tx, table, what)
  const key = keyIn(replica, columns, what)
  const [revision, updated] = [own.revision, own.updated].map((one) => (one === undefined ? undefined : columns.get(one)))
  const targets = [...Object.values(map), ...[own.revision, own.updated].filter((one) => one !== undefined)]
  const mistakes = [
    ...targets.filter((one) => !columns.has(one)).map((one) => `${table} has no column ${one}`),
    ...targets
      .filter((one) => columns.get(one)?.generated)
      .map((one) => `${one} is computed by the database and takes no value: leave it out of the map`),
    ...targets
      .filter((one) => columns.get(one)?.kind === 'bytes')
      .map((one) => `${one} is ${columns.get(one)?.type}, and bytes are not replicated`),
    ...(targets.includes(key.name) ? [] : [`the map names no field for the key ${key.name}`]),
    ...[...columns.values()]
      .filter((column) => isNeeded(column) && !targets.includes(column.name))
      .map((column) => `${column.name} is NOT NULL without a default, and the map names no field for it`),
  ]
  if (mistakes.length > 0) throw new CorebusError('REPLICATION', `${what}: ${mistakes.join('; ')}`)
  const mapped = new Map(Object.entries(map).map(([field, column]) => [field, columns.get(column) as TableColumn])) // looked for above
  return { table, key, columns: [...mapped.values()], map: mapped, revision, updated }
}

const isNeeded = ({ nullable, hasDefault, generated }: TableColumn): boolean => !nullable && !hasDefault && !generated

function keyIn({ key: given, table }: Replica, columns: ReadonlyMap<string, TableColumn>, what: string): TableColumn {
  if (given !== undefined) return checkKeyColumn(columns.get(given), given, what)
  const primary = [...columns.values()].filter((column) => column.primary)
  const [only] = primary
  if (only && primary.length === 1) return checkKeyColumn(only, only.name, what)
  const why = primary.length === 0 ? `${table} has no primary key` : `the primary key of ${table} has ${primary.length} columns`
  throw new CorebusError('REPLICATION', `${what}: ${why}. Say { key } with the column that identifies a row`)
}

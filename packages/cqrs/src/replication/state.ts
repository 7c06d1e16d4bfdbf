import { CorebusError } from '@corebus/core'
import type { SqlTx } from '@corebus/sql'
import type { Master } from './master.ts'
import { type ReadOptions, type Row, type RowTable, readRows } from './rows.ts'

/** The state of a row that replicas are to have. */
export interface State {
  /** The row as it travels. */
  readonly row: Row
  /** Its fields, before a serialiser made something else of them. */
  readonly fields: Row
}

/** The states that replicas are to have of these keys: none of a row that is not there, or is skipped. */
export async function statesOf(
  tx: SqlTx,
  master: Master,
  table: RowTable,
  keys: readonly string[],
  options: ReadOptions,
): Promise<ReadonlyMap<string, State>> {
  const rows = await readRows(tx, table, keys, options)
  const states = new Map<string, State>()
  for (const [key, fields] of rows) {
    if (master.skip?.(fields)) continue
    states.set(key, { fields, row: master.serialize ? await serialised(tx, master, fields) : fields })
  }
  return states
}

async function serialised(tx: SqlTx, { id, serialize }: Master, fields: Row): Promise<Row> {
  const row: unknown = await serialize?.(fields, tx)
  if (typeof row === 'object' && row !== null && !Array.isArray(row)) return row as Row
  throw new CorebusError(
    'MASTER_FIELD',
    `serialize of master ${id} must return an object, and returned ${row === null ? 'null' : typeof row}`,
  )
}

/** The tracked fields that differ, as they were before. Undefined where none does. */
export function previousOf({ tracked }: Master, before: Row | undefined, after: Row | undefined): Row | undefined {
  if (!before) return undefined
  const changed = tracked.filter((field) => !after || JSON.stringify(before[field]) !== JSON.stringify(after[field]))
  return changed.length === 0 ? undefined : Object.fromEntries(changed.map((field) => [field, before[field]]))
}

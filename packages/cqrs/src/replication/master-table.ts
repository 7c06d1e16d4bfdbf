import { CorebusError } from '@corebus/core'
import type { SqlTx } from '@corebus/sql'
import { describedTable, type TableColumn } from './columns.ts'
import { checkKeyColumn } from './keys.ts'
import type { Master } from './master.ts'
import type { RowTable } from './rows.ts'

/** The table of a master as its database describes it. @throws CorebusError REPLICATION for everything that does not fit */
export async function masterTable(tx: SqlTx, { id, table, key, fields, tracked }: Master): Promise<RowTable> {
  const what = `master ${id}`
  const columns = await describedTable(tx, table, what)
  const named = fields ?? [...columns.values()].filter(({ generated, kind }) => !generated && kind !== 'bytes').map(({ name }) => name)
  const missing = [...named, ...tracked].filter((name) => !columns.has(name))
  if (missing.length > 0)
    throw new CorebusError(
      'REPLICATION',
      `${what} names ${missing.join(', ')}, and ${table} has the columns ${[...columns.keys()].join(', ')}`,
    )
  const found = named.map((name) => columns.get(name) as TableColumn) // looked for above
  const bytes = found.find(({ kind }) => kind === 'bytes')
  if (bytes)
    throw new CorebusError(
      'MASTER_FIELD',
      `${what} names ${bytes.name}, which is ${bytes.type}: bytes do not travel. Leave it out of fields, or write it as text through serialize`,
    )
  return { table, key: checkKeyColumn(columns.get(key), key, what), columns: found }
}

import { must, type Option } from '@corebus/core/internal'
import type { Dialect } from '../tx/sql-tx.ts'

/** Short enough for every database, and for the names that are derived from it. */
const NAME = /^([A-Za-z_][A-Za-z0-9_]{0,47}\.)?[A-Za-z_][A-Za-z0-9_]{0,47}$/

/** The option `table` of a feature. */
export const tableOption = (name: string): Option => ({
  default: `\`${name}\``,
  must: must(
    'the name of a table, at most 48 letters, digits and _, with the name of its schema before it where that is not the default one',
    (value) => typeof value === 'string' && NAME.test(value),
  ),
  text: 'the name of the table. `app.NAME` is one in the schema `app`',
})

/** A table's name as statements that Kysely does not build have it. */
export function quoted(dialect: Dialect, table: string): string {
  const mark = dialect === 'mysql' ? '`' : '"'
  return table
    .split('.')
    .map((name) => `${mark}${name}${mark}`)
    .join('.')
}

/** The statement that makes an index of a table that is there. MySQL has none that may be run again: there an index is made with its table. */
export function indexOn(dialect: 'postgres' | 'sqlite', table: string, column: string): string {
  const [name = '', schema] = table.split('.').reverse()
  // PostgreSQL keeps an index in the schema of its table and takes no other; SQLite has the schema on the index and none on the table.
  const [index, on] =
    dialect === 'postgres' ? [`${name}_${column}`, table] : [schema ? `${schema}.${name}_${column}` : `${name}_${column}`, name]
  return `CREATE INDEX IF NOT EXISTS ${quoted(dialect, index)} ON ${quoted(dialect, on)} (${column})`
}

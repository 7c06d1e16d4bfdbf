import { type Dialect, isSame, type Query, quoted, type Table, withoutMarks } from './rows.ts'

/** Columns that are generated follow from the others. */
const COLUMNS = `SELECT n.nspname AS "schema", c.relname AS "table", a.attname AS "column", format_type(a.atttypid, a.atttypmod) AS "type",
    (a.attidentity <> '' OR coalesce(pg_get_expr(d.adbin, d.adrelid), '') LIKE 'nextval(%')::int AS "numbered"
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
  WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
    AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY 1, 2, a.attnum`

const SEQUENCES = `SELECT schemaname AS "schema", sequencename AS "name", coalesce(last_value, start_value)::text AS "value", (last_value IS NOT NULL) AS "called" FROM pg_sequences`

interface Column {
  readonly name: string
  readonly type: string
  readonly isNumbered: boolean
}

/** PostgreSQL in the process: a server is not ours to empty. */
export const postgres: Dialect = {
  async read(query) {
    const tables = new Map<string, Table>()
    for (const [name, columns] of await columnsOf(query)) tables.set(name, await tableOf(query, name, columns))
    return { tables, sequences: await sequencesOf(query) }
  },
  async write(query, was, is) {
    // Triggers and foreign keys rest meanwhile.
    await query('SET LOCAL session_replication_role = replica')
    const columns = await columnsOf(query)
    for (const name of is.tables.keys()) {
      if (isSame(was.tables.get(name), is.tables.get(name))) continue
      await query(`DELETE FROM ${placeOf(name)}`)
      for (const row of was.tables.get(name)?.rows ?? []) await query(insert(name, columns.get(name) ?? [], row))
    }
    await postgres.rewind?.(query, was)
  },
  async rewind(query, was) {
    for (const [name, place] of was.sequences) await query(`SELECT setval(${text(placeOf(name))}, ${place})`)
  },
}

function insert(name: string, columns: readonly Column[], row: readonly string[]): string {
  const values = row.map((value, i) => (value === 'NULL' ? value : `CAST(${withoutMarks(value, 'chr')} AS ${columns[i]?.type})`))
  return `INSERT INTO ${placeOf(name)} (${columns.map((column) => quoted(column.name)).join(', ')}) OVERRIDING SYSTEM VALUE VALUES (${values.join(', ')})`
}

async function columnsOf(query: Query): Promise<ReadonlyMap<string, readonly Column[]>> {
  const all = await query(COLUMNS)
  const grouped = Map.groupBy(all, (row) => nameOf(row.schema, row.table))
  return new Map([...grouped].map(([name, rows]) => [name, rows.map(columnOf)]))
}

const columnOf = ({ column, type, numbered }: Readonly<Record<string, unknown>>): Column => ({
  name: String(column),
  type: String(type),
  isNumbered: Number(numbered) === 1,
})

async function tableOf(query: Query, name: string, columns: readonly Column[]): Promise<Table> {
  const rows = await query(
    `SELECT ${columns.map((column, i) => `${quoted(column.name)}::text AS c${i}`).join(', ')} FROM ${placeOf(name)} ORDER BY ctid`,
  )
  const literal = (value: unknown): string => (value === null ? 'NULL' : text(String(value)))
  const numbered = columns.filter(({ isNumbered }) => isNumbered).map(({ name: column }) => column)
  return { columns: columns.map((column) => column.name), numbered, rows: rows.map((row) => columns.map((_, i) => literal(row[`c${i}`]))) }
}

async function sequencesOf(query: Query): Promise<ReadonlyMap<string, string>> {
  const all = await query(SEQUENCES)
  return new Map(all.map(({ schema, name, value, called }) => [nameOf(schema, name), `${value}, ${called === true || called === 'true'}`]))
}

/** As people write it: without the schema that everything is in. */
const nameOf = (schema: unknown, name: unknown): string => (schema === 'public' ? String(name) : `${schema}.${name}`)

function placeOf(name: string): string {
  const [schema = '', table] = name.split('.')
  return table === undefined ? `public.${quoted(schema)}` : `${quoted(schema)}.${quoted(table)}`
}

const text = (value: string): string => `'${value.replaceAll("'", "''")}'`

import { type Dialect, isSame, named, type Query, quoted, type Rows, type Table, withoutMarks } from './rows.ts'

/** Tables of the database itself, and those that virtual tables keep for themselves. */
const TABLES = `SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name`

export const sqlite: Dialect = {
  async read(query) {
    const tables = new Map<string, Table>()
    for (const name of named(await query(TABLES), 'name')) tables.set(name, await tableOf(query, name))
    return { tables, sequences: await sequencesOf(query) }
  },
  async write(query, was, is) {
    await query('PRAGMA defer_foreign_keys = ON')
    const changed = [...is.tables.keys()].filter((name) => !isSame(was.tables.get(name), is.tables.get(name)))
    const triggers = await query(`SELECT name, sql FROM sqlite_master WHERE type = 'trigger'`)
    for (const name of named(triggers, 'name')) await query(`DROP TRIGGER ${quoted(name)}`)
    await emptied(query, changed)
    for (const name of changed)
      for (const row of was.tables.get(name)?.rows ?? [])
        await query(
          `INSERT INTO ${quoted(name)} (${columnsOf(was, name)}) VALUES (${row.map((value) => withoutMarks(value, 'char')).join(', ')})`,
        )
    for (const [name, seq] of was.sequences) await query(`UPDATE sqlite_sequence SET seq = ${seq} WHERE name = ${text(name)}`)
    for (const name of is.sequences.keys())
      if (!was.sequences.has(name)) await query(`DELETE FROM sqlite_sequence WHERE name = ${text(name)}`)
    for (const sql of named(triggers, 'sql')) await query(sql)
  },
}

async function tableOf(query: Query, table: string): Promise<Table> {
  // Generated columns (2 and 3) cannot be written, and follow from the others.
  const all = await query(`SELECT name, upper(type) AS type, pk FROM pragma_table_xinfo(${text(table)}) WHERE hidden = 0 ORDER BY cid`)
  const columns = named(all, 'name')
  const keys = all.filter(({ pk }) => Number(pk) > 0)
  const numbered = keys.length === 1 && keys[0]?.type === 'INTEGER' ? named(keys, 'name') : []
  const rows = await query(`SELECT ${columns.map((name, i) => `quote(${quoted(name)}) AS c${i}`).join(', ')} FROM ${quoted(table)}`)
  return { columns, numbered, rows: rows.map((row) => columns.map((_, i) => String(row[`c${i}`]))) }
}

async function sequencesOf(query: Query): Promise<ReadonlyMap<string, string>> {
  if ((await query(`SELECT name FROM sqlite_master WHERE name = 'sqlite_sequence'`)).length === 0) return new Map()
  return new Map((await query('SELECT name, seq FROM sqlite_sequence')).map(({ name, seq }) => [String(name), String(seq)]))
}

/** Empties the tables. Those that others refer to come as soon as nobody needs their rows any more. */
async function emptied(query: Query, tables: readonly string[]): Promise<void> {
  let left = tables
  for (;;) {
    const refused: string[] = []
    let error: unknown
    for (const name of left)
      await query(`DELETE FROM ${quoted(name)}`).catch((thrown: unknown) => {
        error = thrown
        refused.push(name)
      })
    if (refused.length === 0) return
    if (refused.length === left.length) throw error
    left = refused
  }
}

const columnsOf = ({ tables }: Rows, name: string): string => (tables.get(name)?.columns ?? []).map(quoted).join(', ')
const text = (value: string): string => `'${value.replaceAll("'", "''")}'`

/** A table at a moment: its columns, and each row as the literals of its values, in the order the database has them. */
export interface Table {
  readonly columns: readonly string[]
  /** Those that the database fills with the next number, where nobody says another. */
  readonly numbered: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** The rows of a database, by table, and where its sequences stand. */
export interface Rows {
  readonly tables: ReadonlyMap<string, Table>
  readonly sequences: ReadonlyMap<string, string>
}

/** Runs a statement and returns its rows. */
export type Query = (sql: string) => Promise<readonly Readonly<Record<string, unknown>>[]>

/** The operations that a database is asked for, inside of one of its transactions. */
export interface Dialect {
  read(query: Query): Promise<Rows>
  /** Puts the tables that differ back as they were. */
  write(query: Query, was: Rows, is: Rows): Promise<void>
  /** Lets sequences go on from where they were: a run that was rolled back has used none of their numbers. */
  rewind?(query: Query, was: Rows): Promise<void>
}

/** Some libraries take a question mark for the place of a parameter, wherever it stands. */
export const withoutMarks = (literal: string, character: string): string => literal.replaceAll('?', `'||${character}(63)||'`)

/** Returns one column of rows as text: the names of tables, for example. */
export const named = (rows: readonly Readonly<Record<string, unknown>>[], column: string): readonly string[] =>
  rows.map((row) => String(row[column]))

export function isSame(a: Table | undefined, b: Table | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** The names of columns and tables, as SQL has them. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

import type { AdaptOptions } from '@corebus/sql'

export type DatabaseName = 'SQLite' | 'PostgreSQL' | 'PGlite' | 'MariaDB'

/** What a transaction of a library is used for: our adapter gets `tx`, and the business row is written as the library's users do. */
export interface Open {
  readonly tx: unknown
  insertOrder(id: number): unknown
}

export interface Library {
  /** Commits when the work is done and rolls back when it throws. */
  transaction(work: (open: Open) => Promise<void>): Promise<void>
  /** What is in no transaction and may be passed by mistake. */
  readonly roots: Readonly<Record<string, unknown>>
  readonly options?: AdaptOptions
  close(): unknown
}

export interface Case {
  readonly library: string
  readonly database: DatabaseName
  /** Whose copy of SQLite it uses. Two copies in one process do not see each other's locks, so the file is looked at with the same. */
  readonly sqlite?: 'node:sqlite' | 'better-sqlite3'
  /** A library on the database at this address: a URL, or the file of SQLite. */
  open(at: string): Promise<Library>
}

/** BEGIN by hand, as users of a bare client do. */
export async function byHand(
  run: (statement: string) => unknown,
  open: Open,
  work: (open: Open) => Promise<void>,
  begin = 'BEGIN',
): Promise<void> {
  await run(begin)
  try {
    await work(open)
    await run('COMMIT')
  } catch (thrown) {
    await run('ROLLBACK')
    throw thrown
  }
}

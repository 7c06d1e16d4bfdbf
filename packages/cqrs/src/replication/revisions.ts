import { int64, type SqlRow, type SqlTx } from '@corebus/sql'
import { NOW } from '@corebus/sql/internal'
import { sql } from 'kysely'
import { refuseBlankEnd } from './keys.ts'
import { inStatements, run } from './statement.ts'
import type { Tables } from './tables.ts'

/** How far a row has come. */
export interface Revision {
  readonly key: string
  readonly revision: number
  /** When it was changed last, by the database's clock, in ms since the epoch. */
  readonly at: number
  /** Replicas have no such row: it was deleted, is skipped, or was never told of. */
  readonly gone: boolean
}

/** Some rows of a statement have five parameters each. */
const MOST_ROWS = 500

const columns = sql`k AS k, rev AS rev, gone AS gone, at AS at`

/**
 * The revisions of the rows of a master. Whoever raises one holds its lock until the transaction ends, so changes of one key stand one behind the other, and
 * the row of a deleted key stays as its tombstone.
 */
export class Revisions {
  readonly #table: string

  constructor({ masters }: Pick<Tables, 'masters'>) {
    this.#table = masters
  }

  /** Raises the revision of each key by one, from 0. `gone` is as it was before. The keys come in the order of locks. */
  async bump(tx: SqlTx, master: string, keys: readonly string[]): Promise<ReadonlyMap<string, Revision>> {
    refuseBlankEnd(tx.dialect, keys, `master ${master}`)
    const now = sql.raw(NOW[tx.dialect])
    const found = new Map<string, Revision>()
    for (const some of inStatements(keys, MOST_ROWS)) {
      const values = sql.join(some.map((key) => sql`(${master}, ${key}, 1, 1, ${now})`))
      const insert = sql`INSERT INTO ${this.#name} (master, k, rev, gone, at) VALUES ${values}`
      const options = { repeated: some.length === 1 }
      const raised =
        tx.dialect === 'mysql'
          ? (await run(tx, sql`${insert} ON DUPLICATE KEY UPDATE rev = rev + 1, at = VALUES(at)`, options)) &&
            (await this.#locked(tx, master, some))
          : await run(
              tx,
              sql`${insert} ON CONFLICT (master, k) DO UPDATE SET rev = ${this.#ref('rev')} + 1, at = excluded.at RETURNING ${columns}`,
              options,
            )
      for (const row of raised.rows) found.set(String(row.k), revisionOf(row))
    }
    return found
  }

  /** Lets the revision of a key be no smaller than `least`; a key that was never told of counts as told of from now on. */
  async raise(tx: SqlTx, master: string, key: string, least: number): Promise<void> {
    const now = sql.raw(NOW[tx.dialect])
    const insert = sql`INSERT INTO ${this.#name} (master, k, rev, gone, at) VALUES (${master}, ${key}, ${least}, 0, ${now})`
    const greatest = sql.raw(tx.dialect === 'sqlite' ? 'max' : 'greatest')
    await run(
      tx,
      tx.dialect === 'mysql'
        ? sql`${insert} ON DUPLICATE KEY UPDATE rev = greatest(rev, VALUES(rev)), gone = 0`
        : sql`${insert} ON CONFLICT (master, k) DO UPDATE SET rev = ${greatest}(${this.#ref('rev')}, excluded.rev), gone = 0`,
    )
  }

  /** Remembers which of them replicas have from now on. */
  async mark(tx: SqlTx, master: string, keys: readonly string[], gone: boolean): Promise<void> {
    for (const some of inStatements(keys))
      await run(tx, sql`UPDATE ${this.#name} SET gone = ${gone ? 1 : 0} WHERE master = ${master} AND k IN (${sql.join(some)})`, {
        repeated: some.length === 1,
      })
  }

  async get(tx: SqlTx, master: string, key: string): Promise<Revision | undefined> {
    const { rows } = await run(tx, sql`SELECT ${columns} FROM ${this.#name} WHERE master = ${master} AND k = ${key}`, { repeated: true })
    return rows[0] && revisionOf(rows[0])
  }

  /** The next rows that replicas have, behind a key, in the order of keys. `lock`: nobody changes them before the transaction ends. */
  async page(
    tx: SqlTx,
    master: string,
    { after, until, limit, lock = false }: { after: string; until?: string | undefined; limit: number; lock?: boolean },
  ): Promise<readonly Revision[]> {
    const end = until === undefined ? sql`` : sql` AND k <= ${until}`
    const locked = lock && tx.dialect !== 'sqlite' ? sql` FOR UPDATE` : sql``
    const { rows } = await run(
      tx,
      sql`SELECT ${columns} FROM ${this.#name} WHERE master = ${master} AND k > ${after}${end} AND gone = 0 ORDER BY k LIMIT ${sql.lit(limit)}${locked}`,
    )
    return rows.map(revisionOf)
  }

  /** The keys among them that replicas have. Nobody changes them before the transaction ends. */
  async lock(tx: SqlTx, master: string, keys: readonly string[]): Promise<readonly Revision[]> {
    if (keys.length === 0) return []
    const locked = tx.dialect === 'sqlite' ? sql`` : sql` FOR UPDATE`
    const { rows } = await run(
      tx,
      sql`SELECT ${columns} FROM ${this.#name} WHERE master = ${master} AND k IN (${sql.join(keys)}) AND gone = 0 ORDER BY k${locked}`,
    )
    return rows.map(revisionOf)
  }

  /** Rows with a revision, tombstones, and when one was changed last. */
  async totals(
    tx: SqlTx,
    master: string,
  ): Promise<{ readonly rows: number; readonly tombstones: number; readonly lastAt: number | undefined }> {
    const { rows } = await run(
      tx,
      sql`SELECT count(*) AS n, coalesce(sum(gone), 0) AS dead, max(at) AS latest FROM ${this.#name} WHERE master = ${master}`,
    )
    const { n, dead, latest } = rows[0] ?? {}
    return { rows: Number(n) - Number(dead), tombstones: Number(dead), lastAt: latest === null ? undefined : Number(latest) }
  }

  async #locked(tx: SqlTx, master: string, keys: readonly string[]): Promise<{ readonly rows: readonly SqlRow[] }> {
    return run(tx, sql`SELECT ${columns} FROM ${this.#name} WHERE master = ${master} AND k IN (${sql.join(keys)}) FOR UPDATE`)
  }

  get #name(): ReturnType<typeof sql.table> {
    return sql.table(this.#table)
  }

  #ref(column: string): ReturnType<typeof sql.ref> {
    return sql.ref(`${this.#table}.${column}`)
  }
}

export function revisionOf({ k, rev, gone, at }: SqlRow): Revision {
  return { key: String(k), revision: Number(int64(rev)), gone: Number(gone) === 1, at: Number(int64(at)) }
}

import { int64, type SqlTx } from '@corebus/sql'
import { sql } from 'kysely'
import type { RowChange } from './change.ts'
import { refuseBlankEnd } from './keys.ts'
import { type Revision, revisionOf } from './revisions.ts'
import { inStatements, run } from './statement.ts'
import type { Tables } from './tables.ts'

/** The revision of a row that has none yet: 0 is a real one of masters of others. */
const NEVER = -1

const columns = sql`k AS k, rev AS rev, gone AS gone, at AS at`

/** The revision that each row of a replica has. */
export class Accepted {
  readonly #table: string

  constructor({ replicas }: Pick<Tables, 'replicas'>) {
    this.#table = replicas
  }

  /**
   * Takes the change unless the replica knows a later one, and locks its key until the transaction ends: the one place where order is decided. A state that
   * was asked for (`sync`) is taken at the same revision too, since it mends a row that somebody else has changed.
   */
  async take(tx: SqlTx, replica: string, { kind, key, revision, updated }: RowChange): Promise<boolean> {
    refuseBlankEnd(tx.dialect, [key], `replica ${replica}`)
    const gone = kind === 'delete' ? 1 : 0
    const at = Date.parse(updated)
    const table = sql.table(this.#table)
    const of = (column: string) => sql.ref(`${this.#table}.${column}`)
    const older = sql`${of('rev')} ${sql.raw(kind === 'sync' ? '<=' : '<')} ${revision}`
    const skipped = kind === 'sync' ? sql`0` : sql`CASE WHEN ${of('rev')} < 0 THEN 0 ELSE ${revision} - ${of('rev')} - 1 END`
    // The gap is counted before the revision is set: MySQL reads what it has set already. The last one changes always: MySQL counts no row that was so.
    const set = sql`gaps = ${of('gaps')} + ${skipped}, rev = ${revision}, gone = ${gone}, at = ${at}, applied = ${of('applied')} + 1`
    const insert = (rev: number, isGone: number) =>
      sql`INSERT INTO ${table} (replica, k, rev, gone, at, gaps, applied) VALUES (${replica}, ${key}, ${rev}, ${isGone}, ${at}, 0, 1)`
    if (tx.dialect !== 'mysql')
      return (
        (await run(tx, sql`${insert(revision, gone)} ON CONFLICT (replica, k) DO UPDATE SET ${set} WHERE ${older}`, { repeated: true }))
          .affected > 0
      )
    // MySQL has no condition there. The row is made, or locked alone and not first shared: two who share it and then write it would be a deadlock.
    await run(tx, sql`${insert(NEVER, 1)} ON DUPLICATE KEY UPDATE k = VALUES(k)`, { repeated: true })
    const { affected } = await run(tx, sql`UPDATE ${table} SET ${set} WHERE replica = ${replica} AND k = ${key} AND ${older}`, {
      repeated: true,
    })
    return affected > 0
  }

  async get(tx: SqlTx, replica: string, key: string): Promise<Revision | undefined> {
    const { rows } = await run(tx, sql`SELECT ${columns} FROM ${sql.table(this.#table)} WHERE replica = ${replica} AND k = ${key}`, {
      repeated: true,
    })
    return rows[0] && revisionOf(rows[0])
  }

  /** The next rows that the replica has, behind a key, in the order of keys. */
  async page(
    tx: SqlTx,
    replica: string,
    { after, until, limit }: { after: string; until?: string | undefined; limit: number },
  ): Promise<readonly Revision[]> {
    const end = until === undefined ? sql`` : sql` AND k <= ${until}`
    const { rows } = await run(
      tx,
      sql`SELECT ${columns} FROM ${sql.table(this.#table)} WHERE replica = ${replica} AND k > ${after}${end} AND gone = 0 ORDER BY k LIMIT ${sql.lit(limit)}`,
    )
    return rows.map(revisionOf)
  }

  /** The revisions of those keys that the replica has deleted. */
  async tombstones(tx: SqlTx, replica: string, keys: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const found = new Map<string, number>()
    for (const some of inStatements(keys)) {
      const { rows } = await run(
        tx,
        sql`SELECT ${columns} FROM ${sql.table(this.#table)} WHERE replica = ${replica} AND k IN (${sql.join(some)}) AND gone = 1`,
      )
      for (const { key, revision } of rows.map(revisionOf)) found.set(key, revision)
    }
    return found
  }

  /** The highest revision that the replica has deleted a row at; 0 for none. */
  async highestTombstone(tx: SqlTx, replica: string): Promise<number> {
    const { rows } = await run(tx, sql`SELECT max(rev) AS rev FROM ${sql.table(this.#table)} WHERE replica = ${replica} AND gone = 1`)
    const highest = rows[0]?.rev
    return highest === null || highest === undefined ? 0 : Number(int64(highest))
  }

  /** Rows, tombstones, the revisions that were passed over, and when the last change that was taken was made. */
  async totals(
    tx: SqlTx,
    replica: string,
  ): Promise<{ readonly rows: number; readonly tombstones: number; readonly gaps: number; readonly lastAt: number | undefined }> {
    const { rows } = await run(
      tx,
      sql`SELECT count(*) AS n, coalesce(sum(gone), 0) AS dead, coalesce(sum(gaps), 0) AS gaps, max(at) AS latest FROM ${sql.table(this.#table)} WHERE replica = ${replica}`,
    )
    const { n, dead, gaps, latest } = rows[0] ?? {}
    return {
      rows: Number(n) - Number(dead),
      tombstones: Number(dead),
      gaps: Number(gaps),
      lastAt: latest === null || latest === undefined ? undefined : Number(int64(latest)),
    }
  }
}

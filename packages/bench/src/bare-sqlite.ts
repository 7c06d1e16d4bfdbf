import { DatabaseSync } from 'node:sqlite'

export interface Row {
  readonly id: string
  readonly key: string
  readonly headers: string
  readonly body: Uint8Array
}

const BATCH = 100

/** SQLite used well and by hand: WAL, prepared statements, a transaction a batch; a claimed row is deleted when it is done. */
export class BareSqlite {
  readonly #db: DatabaseSync
  readonly #insert
  readonly #claim
  readonly #remove

  constructor(file: string) {
    this.#db = new DatabaseSync(file)
    this.#db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
    this.#db.exec(
      'CREATE TABLE IF NOT EXISTS m (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT, topic TEXT, key TEXT, headers TEXT, body BLOB, at INTEGER, holder TEXT)',
    )
    this.#insert = this.#db.prepare('INSERT INTO m (id, topic, key, headers, body, at) VALUES (?, ?, ?, ?, ?, ?)')
    this.#claim = this.#db.prepare(
      `UPDATE m SET holder = 'me' WHERE seq IN (SELECT seq FROM m WHERE holder IS NULL ORDER BY seq LIMIT ${BATCH}) RETURNING seq, id, key, headers, body`,
    )
    this.#remove = this.#db.prepare('DELETE FROM m WHERE seq = ?')
  }

  insert(rows: readonly Row[]): void {
    for (let i = 0; i < rows.length; i += BATCH) {
      this.#db.exec('BEGIN IMMEDIATE')
      for (let n = i; n < Math.min(i + BATCH, rows.length); n++) {
        const { id, key, headers, body } = rows[n] as Row
        this.#insert.run(id, 'orders', key, headers, body, Date.now())
      }
      this.#db.exec('COMMIT')
    }
  }

  /** Claims and deletes until nothing is left; returns how many. */
  consume(onRow: (row: Row) => void): number {
    let count = 0
    for (;;) {
      this.#db.exec('BEGIN IMMEDIATE')
      const rows = this.#claim.all() as unknown as (Row & { seq: number })[]
      this.#db.exec('COMMIT')
      if (rows.length === 0) return count
      for (const row of rows) onRow(row)
      this.#db.exec('BEGIN IMMEDIATE')
      for (const { seq } of rows) this.#remove.run(seq)
      this.#db.exec('COMMIT')
      count += rows.length
    }
  }

  close(): void {
    this.#db.close()
  }
}

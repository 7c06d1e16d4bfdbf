import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { type Identity, identityOf } from './file.ts'

export type Row = readonly unknown[]

/** A file while it is open, with every statement prepared once. */
export class OpenFile {
  readonly #db: DatabaseSync
  readonly #path: string
  readonly #identity: Identity | undefined
  readonly #walIdentity: Identity | undefined
  readonly #statements = new Map<string, StatementSync>()
  #version: unknown

  constructor(db: DatabaseSync, path: string) {
    this.#db = db
    this.#path = path
    this.#identity = identityOf(path)
    this.#walIdentity = identityOf(`${path}-wal`)
  }

  /** Whether the path still names the file that was opened. Otherwise what is written to it is gone. */
  isInPlace(): boolean {
    return identityOf(this.#path) === this.#identity
  }

  hasItsWal(): boolean {
    return this.#walIdentity === undefined || identityOf(`${this.#path}-wal`) === this.#walIdentity
  }

  /** True when another connection has committed since the last time. */
  hasChanged(): boolean {
    const version = this.row('PRAGMA data_version')?.[0]
    const changed = version !== this.#version
    this.#version = version
    return changed
  }

  sql(text: string): StatementSync {
    const known = this.#statements.get(text)
    if (known) return known
    const statement = this.#db.prepare(text)
    // Missing before Node 22.16; then the values of the objects are taken, at some cost.
    statement.setReturnArrays?.(true)
    this.#statements.set(text, statement)
    return statement
  }

  rows(text: string, values: readonly SQLInputValue[]): readonly Row[] {
    const found: readonly unknown[] = this.sql(text).all(...values)
    return Array.isArray(found[0]) ? (found as readonly Row[]) : found.map(asRow)
  }

  row(text: string, ...values: SQLInputValue[]): Row | undefined {
    const found: unknown = this.sql(text).get(...values)
    return found === undefined ? undefined : asRow(found)
  }

  rollback(): void {
    try {
      this.sql('ROLLBACK').run()
    } catch {
      // SQLite has rolled back by itself, as it does when the disk is full.
    }
  }

  close(): void {
    this.#statements.clear()
    this.#db.close()
  }
}

function asRow(found: unknown): Row {
  return Array.isArray(found) ? found : Object.values(found as object)
}

import type { Dialect, SqlResult, StatementOptions } from './sql-tx.ts'

/**
 * What a library says of its transaction. `autocommit`: none is open, each statement is committed by itself. `failed`: it can only be rolled back.
 * `unknown`: the library does not say, and the database is asked.
 */
export type TxState = 'open' | 'autocommit' | 'over' | 'failed' | 'unknown'

export type LibraryValue = string | number | Buffer | null

/** A transaction of one library, opened for statements. */
export interface LibraryTx {
  /** Undefined where the library does not say. */
  readonly dialect: Dialect | undefined
  state(): TxState
  /** Runs a statement whose placeholders are `?`. A library that does not wait has run it when this returns. */
  run(sql: string, params: readonly LibraryValue[], dialect: Dialect, options?: StatementOptions): SqlResult | Promise<SqlResult>
}

/** Knows the transactions of one library by their shape, and opens them; undefined for anything else. Only the public API of the library is used. */
export type Recogniser = (given: object) => LibraryTx | undefined

/** Whether there are methods of these names. */
export function calls(given: object, ...names: readonly string[]): boolean {
  return names.every((name) => typeof property(given, name) === 'function')
}

export function property(given: object, name: string): unknown {
  return Reflect.get(given, name)
}

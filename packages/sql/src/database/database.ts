import type { Sessions } from '@corebus/core'
import type { Dialect, SqlTx } from '../tx/sql-tx.ts'

/** What runs transactions of our own: the database itself, or one connection of it that is kept. */
export interface Transacts {
  /**
   * Runs `work` in a transaction that writes, at READ COMMITTED where the database has levels: commits when it resolves, rolls back when it rejects.
   * On SQLite one at a time per file, in turn with the user's sessions.
   */
  transaction<T>(work: (tx: SqlTx) => Promise<T>): Promise<T>
  /** Runs `work` with a connection that only reads and waits for no writer. What it sees is committed. */
  read<T>(work: (tx: SqlTx) => Promise<T>): Promise<T>
}

/** A database that the relay, clean-ups, leases and commands of ours use beside the user's sessions, by the user's own library and pool. */
export interface SqlDatabase extends Transacts {
  readonly dialect: Dialect
  /** Where it is, without secrets, for messages to people. */
  readonly where: string
  /** Takes one connection and keeps it. Undefined where the library has none to give: then each transaction takes one from its pool. */
  connect?(): Promise<SqlConnection>
}

export interface SqlConnection extends Transacts {
  /** Calls `onNotify` for each NOTIFY of the channel. Undefined where the database or its library has none. Rejects when it is refused. */
  listen?(channel: string, onNotify: () => void): Promise<void>
  /** Called once when the connection is lost; it is of no use from then on. */
  onLost(call: (error: Error) => void): void
  /** Gives it back to its pool; one that is `broken`, which nobody may use again, is destroyed. */
  close(how?: { readonly broken?: boolean }): Promise<void>
}

/** Sessions that say which database they are of, so that outbox, inbox, leases and schedules need not be told. */
export interface SqlSessions<Db> extends Sessions<Db> {
  readonly database: SqlDatabase
}

import type { SessionOptions, SqlSessions } from '@corebus/sql'
import type { Case, DatabaseName } from './case.ts'

/** A session of a library, and what handlers do with it, as the library's users do. Nothing of it is typed here but by the library. */
export interface Opened {
  readonly write: <T>(work: (tx: Writes) => Promise<T>) => Promise<T>
  readonly read: <T>(work: (tx: Writes) => Promise<T>) => Promise<T>
  readonly database: SqlSessions<never>['database']
  close(): unknown
}
export interface Writes {
  /** What the handler received. */
  readonly tx: object
  insertOrder(id: number): Promise<unknown>
}

export interface SessionCase {
  readonly library: string
  readonly database: DatabaseName
  readonly sqlite?: Case['sqlite']
  open(at: string, options?: SessionOptions): Promise<Opened>
}

/** The inserts are typed by what each session says that its handlers receive. */
export function opened<Tx extends object>(
  { write, read, database }: SqlSessions<Tx>,
  insert: (tx: Tx, id: number) => unknown,
  close: () => unknown = () => {},
): Opened {
  const writes = (tx: Tx): Writes => ({ tx, insertOrder: async (id) => insert(tx, id) })
  return { write: (work) => write((tx) => work(writes(tx))), read: (work) => read((tx) => work(writes(tx))), database, close }
}

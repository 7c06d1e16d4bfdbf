import type { Message } from '../driver.ts'

/** Runs `work` in a transaction: commits when it resolves, rolls back when it rejects, and passes its result or error on. */
export type Session<Db> = <T>(work: (db: Db) => Promise<T>) => Promise<T>

/** Writes messages in the session's own transaction; a relay publishes them after the commit. */
export interface Outbox<Db = unknown> {
  write(db: Db, messages: readonly Message[]): Promise<void>
}

/** Remembers what was handled, in the session's own transaction. */
export interface Inbox<Db = unknown> {
  /** Marks (group, topic, id) and returns true; false when it was marked before. */
  firstTime(db: Db, group: string, message: Message): Promise<boolean>
}

import { CorebusError } from '@corebus/core'
import type { SqlTx } from '../tx/sql-tx.ts'
import type { SqlDatabase, Transacts } from './database.ts'

/** A statement that is not answered by then never will be. */
export const SILENT_MS = 30_000

/** The database did not answer: the connection is of no use any more. */
export class DatabaseSilent extends CorebusError {
  constructor(silentMs: number) {
    super('DATABASE_SILENT', `the database has not answered for ${silentMs} ms: the connection is given up, and another one is made`)
  }
}

/**
 * The same, but a statement without an answer within `silentMs` rejects, as does the transaction around it: a line that has gone dead says nothing, and
 * clients wait for ever. What still runs in such a transaction goes no further than its next statement. `onSilent` is called
 * before it rejects.
 */
export function guarded(transacts: Transacts, silentMs: number, onSilent: () => void = () => undefined): Transacts {
  return {
    transaction: (work) => guard({ silentMs, onSilent }, work, (guardedWork) => transacts.transaction(guardedWork)),
    read: (work) => guard({ silentMs, onSilent }, work, (guardedWork) => transacts.read(guardedWork)),
  }
}

/** The same database, where what is asked of it ends: with an answer, or with DATABASE_SILENT. A file does not go silent, and waits for its writers as long as its sessions say. */
export function answering(database: SqlDatabase, silentMs: number = SILENT_MS): SqlDatabase {
  return database.dialect === 'sqlite' ? database : { ...database, ...guarded(database, silentMs) }
}

interface Guard {
  readonly silentMs: number
  readonly onSilent: () => void
}

type Work<T> = (tx: SqlTx) => Promise<T>

function guard<T>({ silentMs, onSilent }: Guard, work: Work<T>, run: (work: Work<T>) => Promise<T>): Promise<T> {
  const { promise: silent, reject } = Promise.withResolvers<never>()
  let timer: NodeJS.Timeout | undefined
  let over = false
  const listen = (): void => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      over = true
      onSilent()
      reject(new DatabaseSilent(silentMs))
    }, silentMs)
  }
  const heard = (): void => {
    clearTimeout(timer)
    if (over) throw new DatabaseSilent(silentMs)
  }
  const guardedWork: Work<T> = async (tx) => {
    heard()
    try {
      return await work({
        dialect: tx.dialect,
        async query(sql, params) {
          heard()
          listen()
          const result = await tx.query(sql, params)
          heard()
          return result
        },
      })
    } finally {
      // The commit or the rollback has to be answered too.
      if (!over) listen()
    }
  }
  listen()
  const running = run(guardedWork).finally(() => clearTimeout(timer))
  running.catch(() => undefined) // told by `silent` already
  return Promise.race([running, silent])
}

import { asError, CorebusError } from '../errors.ts'
import type { Outbox } from './companion.ts'
import { forbid } from './forbidden.ts'
import type { Open, Recorded, Scope } from './scope.ts'
import type { Opens } from './session.ts'

/**
 * Runs `work` in the session of a whole handler or request. What it records belongs to that session: it is forgotten when the session rolls back,
 * and when it runs its work again (after a serialisation failure).
 * @throws what the work or the session throws; CorebusError SESSION when the session resolved and its work had not
 */
export async function inSession<T>(scope: Scope, opens: Opens, work: (db: unknown) => Promise<T>): Promise<T> {
  try {
    return await opened(scope, opens, (db) => {
      scope.recorded.length = 0
      return work(db)
    })
  } catch (thrown) {
    scope.recorded.length = 0
    throw thrown
  }
}

/** The same of a part: what was recorded before stays, and what is recorded in it is the part's own. */
export async function inPart<T>(
  scope: Scope,
  opens: Opens,
  work: (db: unknown, recorded: Recorded[]) => Promise<T>,
): Promise<{ readonly result: T; readonly recorded: readonly Recorded[] }> {
  let recorded: Recorded[] = []
  try {
    const result = await opened(scope, opens, (db) => {
      recorded = []
      scope.part = recorded
      return work(db, recorded)
    })
    return { result, recorded }
  } finally {
    scope.part = undefined
  }
}

async function opened<T>(scope: Scope, { session, reads }: Opens, work: (db: unknown) => Promise<T>): Promise<T> {
  let derived: number | undefined
  let ended: { readonly result: T; readonly wrote: Outbox | undefined } | undefined
  try {
    await session(async (db) => {
      ended = undefined
      // What is emitted while it is being opened has had its ids.
      derived ??= scope.derived
      scope.derived = derived
      const open: Open = { db, reads, marked: false, joined: 0, broken: undefined, wrote: undefined }
      scope.open = open
      const result = await work(db)
      mayCommit(scope, open)
      ended = { result, wrote: open.wrote }
      return result
    })
    // A session of plain JavaScript may lose what its work returned, which is no harm after its commit, or what it threw.
    if (!ended)
      throw new CorebusError('SESSION', 'the session resolved, but its work had not: it must pass on what work returns and throws')
    ended.wrote?.committed?.()
    return ended.result
  } finally {
    scope.open = undefined
  }
}

function mayCommit({ guard }: Scope, { joined, broken }: Open): void {
  if (guard) forbid(guard)
  if (broken)
    throw new CorebusError(
      'SESSION_BROKEN',
      `something failed in this session, and the code around it did not pass its error on: ${asError(broken.cause).message}. ` +
        'Nothing of the session is committed. Let such errors through',
      { cause: broken.cause },
    )
  if (joined > 0)
    throw new CorebusError(
      'SESSION',
      'the session ended while a session(work) inside of it was still open: wait for session(work) before that',
    )
}

/** Runs `work` in the session that is open: it commits with the rest of it, and what fails here keeps all of it from being committed. */
export async function join<T>(open: Open, work: (db: unknown) => Promise<T>): Promise<T> {
  open.joined++
  try {
    return await work(open.db)
  } catch (cause) {
    open.broken ??= { cause }
    throw cause
  } finally {
    open.joined--
  }
}

export const NOT_CONFIGURED = 'no session is configured. Give the instance one (session: sqliteSession(database))'

export const noDb = (why: string): CorebusError => new CorebusError('NO_SESSION', `db was read, and there is no session: ${why}`)

import { CorebusError } from '../errors.ts'
import type { Recorded, Scope } from './scope.ts'
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
  work: (db: unknown) => Promise<T>,
): Promise<{ readonly result: T; readonly recorded: readonly Recorded[] }> {
  let recorded: Recorded[] = []
  try {
    const result = await opened(scope, opens, (db) => {
      recorded = []
      scope.part = recorded
      return work(db)
    })
    return { result, recorded }
  } finally {
    scope.part = undefined
  }
}

async function opened<T>(scope: Scope, { session, reads }: Opens, work: (db: unknown) => Promise<T>): Promise<T> {
  let derived: number | undefined
  let ended: { readonly result: T } | undefined
  try {
    await session(async (db) => {
      ended = undefined
      // What is emitted while it is being opened has had its ids.
      derived ??= scope.derived
      scope.derived = derived
      scope.session = reads ? 'read' : 'write'
      const result = await work(db)
      ended = { result }
      return result
    })
    // A session of plain JavaScript may lose what its work returned, which is no harm after its commit, or what it threw.
    if (!ended)
      throw new CorebusError('SESSION', 'the session resolved, but its work had not: it must pass on what work returns and throws')
    return ended.result
  } finally {
    scope.session = 'none'
  }
}

export const noDb = (why: string): CorebusError => new CorebusError('NO_SESSION', `db was read, and there is no session: ${why}`)

import { CorebusError } from '../errors.ts'
import type { Scope } from './scope.ts'
import type { Session, SessionMode } from './session.ts'

/**
 * Runs `work` in a session. What it records belongs to that session: it is forgotten when the session rolls back, and when it runs its work
 * again (after a serialisation failure).
 * @throws what the work or the session throws; CorebusError SESSION when the session resolved and its work had not
 */
export async function inSession<T>(
  scope: Scope,
  { session, mode }: { readonly session: Session<unknown>; readonly mode: SessionMode },
  work: (db: unknown) => Promise<T>,
): Promise<T> {
  const { length: before } = scope.recorded
  const { derived } = scope
  let ended: { readonly result: T } | undefined
  try {
    await session(async (db) => {
      ended = undefined
      scope.recorded.length = before
      scope.derived = derived
      scope.session = mode === 'read' ? 'read' : 'write'
      const result = await work(db)
      ended = { result }
      return result
    })
    // A session of plain JavaScript may lose what its work returned, which is no harm after its commit, or what it threw.
    if (!ended)
      throw new CorebusError('SESSION', 'the session resolved, but its work had not: it must pass on what work returns and throws')
    return ended.result
  } catch (thrown) {
    scope.recorded.length = before
    throw thrown
  } finally {
    scope.session = 'none'
  }
}

export const noDb = (why: string): CorebusError => new CorebusError('NO_SESSION', `db was read, and there is no session: ${why}`)

import type { Session, Sessions } from '../../scope/session.ts'
import { asDatabase } from './handed-out.ts'
import type { Replaced } from './outside.ts'
import { currentRun } from './run.ts'

type Given = Session<unknown> | Sessions<unknown>

/**
 * Watches the sessions of the instance, for runs that may die: one that dies is rolled back, and its commit is a call to the outside, after which it may die
 * too. Code that has opened the session of a dead run gets an error, since what counts the sessions that are open is part of a process that goes on.
 * Sessions are replaced where they lie, so that whoever opens one meets it; a function cannot be, and is given to handlers alone.
 */
export function watchSessions(session: Given | undefined, replaced: Replaced): Given | undefined {
  if (typeof session !== 'object') return session && watched(session, { commits: true })
  replaced.method(session, 'write', (original) => watched(original as Session<unknown>, { commits: true }) as never)
  replaced.method(session, 'read', (original) => watched(original as Session<unknown>, { commits: false }) as never)
  return session
}

function watched(session: Session<unknown>, { commits }: { readonly commits: boolean }): Session<unknown> {
  return async <T>(work: (db: unknown) => Promise<T>): Promise<T> => {
    const run = currentRun()
    if (!run) return session(work)
    const written = run.told.openSession()
    const died = run.death.then((): never => run.refuse())
    died.catch(() => undefined) // a session that waits for its turn has not looked at it yet
    const opened = session(async (db) => {
      if (run.dead) run.refuse()
      written.begin(db)
      const result = await Promise.race([work(asDatabase(db) ?? db), died])
      if (run.dead) run.refuse()
      return result
    })
    run.sessions.add(opened)
    try {
      const result = await opened
      written.commit()
      if (commits) await run.committed()
      return result
    } finally {
      run.sessions.delete(opened)
    }
  }
}

import type { Outbox, Session } from './config.ts'
import { createScope, discard, releaseConfirmed, releaseInBackground, runInScope } from './scope.ts'

export interface RequestOptions {
  /** Of the caller, where it sent one (`X-Request-Id`). */
  readonly correlationId?: string
}

/** The scope of one request: what is recorded in it waits until somebody says how the request ended. */
export interface RequestScope {
  /**
   * Runs `work` in the scope and in a session, where one is configured: committed when it resolves, rolled back when it rejects or when
   * `failed` says so of its result. Resolves after the commit.
   */
  run<T>(work: (db: unknown) => Promise<T>, failed?: (result: T) => boolean): Promise<T>
  /** Publishes what was recorded, in the background. */
  release(): void
  /** Publishes what was recorded and waits for the confirms: where nothing can run after the response. */
  releaseConfirmed(): Promise<void>
  /** The request failed: nothing happened. */
  discard(): void
}

interface OpenRequest extends RequestOptions {
  readonly session: Session<unknown> | undefined
  readonly outbox: Outbox | undefined
}

export function openRequest({ correlationId, session, outbox }: OpenRequest): RequestScope {
  const scope = createScope({ ...(correlationId !== undefined && { correlationId }) })

  async function inSession<T>(open: Session<unknown>, work: (db: unknown) => Promise<T>, failed: (result: T) => boolean): Promise<T> {
    let rolledBack: { result: T } | undefined
    try {
      return await open(async (db) => {
        scope.recorded.length = 0
        scope.inSession = true
        const result = await work(db)
        if (failed(result)) {
          rolledBack = { result }
          throw new Rollback()
        }
        if (outbox && scope.recorded.length > 0) await outbox.write(db, scope.recorded.splice(0).map(({ message }) => message))
        return result
      })
    } catch (thrown) {
      scope.recorded.length = 0
      // Any error counts: a session may wrap what made it roll back.
      if (rolledBack) return rolledBack.result
      throw thrown
    } finally {
      scope.inSession = false
    }
  }

  return {
    run: (work, failed = () => false) => runInScope(scope, () => (session ? inSession(session, work, failed) : work(undefined))),
    release: () => releaseInBackground(scope),
    releaseConfirmed: () => releaseConfirmed(scope),
    discard: () => discard(scope),
  }
}

/** Thrown inside the session for a request that answered with an error without throwing one. */
class Rollback extends Error {
  constructor() {
    super('the request was answered with an error: its session is rolled back')
  }
}

import { CorebusError } from '../errors.ts'
import { checkNames } from '../options/check.ts'
import { type Option, text } from '../options/option.ts'
import { carried, newId } from '../wire/id.ts'
import type { Publishing } from './publishing.ts'
import { createScope, discard, type Outlet, releaseInBackground, runInScope, type Scope, writeRecorded } from './scope.ts'
import type { Outbox, Session } from './session.ts'

export interface RequestOptions {
  /** Of the caller, where it sent one (`X-Request-Id`). */
  readonly correlationId?: string
}

export const REQUEST: Readonly<Record<keyof RequestOptions, Option>> = {
  correlationId: { default: 'a new one', must: text, text: 'travels in everything published from the request' },
}

/** The scope of one request: what is recorded in it waits until somebody says how the request ended. */
export interface RequestScope<Db = unknown> {
  /**
   * Runs `work` in the scope and in a session, where one is configured: committed when it resolves, rolled back when it rejects or when
   * `failed` says so of its result. Resolves after the commit.
   */
  run<T>(work: (db: Db) => Promise<T>, failed?: (result: T) => boolean): Promise<T>
  /** Its session has committed: whatever becomes of the answer, what was recorded has happened. */
  readonly committed: boolean
  /** Publishes what was recorded, now. Resolves when all of it is confirmed or has failed, which is logged and counted; never rejects. */
  release(): Promise<void>
  /** The request failed: nothing happened. */
  discard(): void
}

/** The requests of one instance. `close` waits for those that are open: a client that has gone does not stop its handler. */
export interface Requests {
  readonly open: number
  openRequest(options?: RequestOptions): RequestScope
  /** Resolves when no request is open and what they released is confirmed or has failed. */
  over(): Promise<void>
}

export interface RequestsOptions {
  readonly session: Session<unknown> | undefined
  readonly outbox: Outbox | undefined
  /** The instance: what is published inside of the request is published there. */
  readonly owner: Publishing
  readonly outlet: Outlet
}

export function createRequests(options: RequestsOptions): Requests {
  const { session, owner } = options
  const open = new Set<Scope>()
  const waiting: (() => void)[] = []

  const end = (scope: Scope): void => {
    open.delete(scope)
    if (open.size === 0) for (const resolve of waiting.splice(0)) resolve()
  }

  function openRequest(requestOptions: RequestOptions = {}): RequestScope {
    checkNames('openRequest', requestOptions, REQUEST)
    const { correlationId } = requestOptions
    const scope = createScope({ owner, correlationId: carried(correlationId) ?? newId() })
    let committed = false
    open.add(scope)
    return {
      run: async (work, failed = () => false) => {
        if (!session) return runInScope(scope, () => work(undefined))
        const ended = await runInScope(scope, () => inSession(scope, session, options, work, failed))
        committed = ended.committed
        return ended.result
      },
      get committed() {
        return committed
      },
      release: async () => {
        await releaseInBackground(scope)
        end(scope)
      },
      discard: () => {
        discard(scope)
        end(scope)
      },
    }
  }

  return {
    get open() {
      return open.size
    },
    openRequest,
    over: () => (open.size === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  }
}

async function inSession<T>(
  scope: Scope,
  session: Session<unknown>,
  { outbox, outlet }: RequestsOptions,
  work: (db: unknown) => Promise<T>,
  failed: (result: T) => boolean,
): Promise<{ readonly result: T; readonly committed: boolean }> {
  let ended: { readonly result: T; readonly committed: boolean } | undefined
  try {
    await session(async (db) => {
      // A session may run its work again (a serialisation failure): what the first run recorded must not leave twice.
      scope.recorded.length = 0
      ended = undefined
      scope.inSession = true
      const result = await work(db)
      if (failed(result)) {
        ended = { result, committed: false }
        throw new Rollback()
      }
      if (outbox) await writeRecorded(scope, outlet, outbox, db)
      ended = { result, committed: true }
    })
    if (!ended)
      throw new CorebusError('SESSION', 'the session resolved, but its work had not: it must pass on what work returns and throws')
    if (!ended.committed) scope.recorded.length = 0
    return ended
  } catch (thrown) {
    scope.recorded.length = 0
    // Any error counts: a session may wrap what made it roll back.
    if (ended && !ended.committed) return ended
    throw thrown
  } finally {
    scope.inSession = false
  }
}

/** Thrown inside the session for a request that answered with an error without throwing one. */
class Rollback extends Error {
  constructor() {
    super('the request was answered with an error: its session is rolled back')
  }
}

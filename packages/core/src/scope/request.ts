import { CorebusError } from '../errors.ts'
import { checkNames, checkOptions } from '../options/check.ts'
import { type Option, text } from '../options/option.ts'
import { carried, newId } from '../wire/id.ts'
import { inSession, NOT_CONFIGURED } from './in-session.ts'
import { endedBefore, Part } from './part.ts'
import type { Owner } from './publishing.ts'
import { createScope, discard, type Outlet, releaseInBackground, runInScope, type Scope, writeRecorded } from './scope.ts'
import {
  checkSessionMode,
  isSessionMode,
  type Opens,
  opensIn,
  SESSION_MODE,
  type Session,
  type SessionMode,
  type Sessions,
} from './session.ts'

export interface RequestOptions {
  /** Of the caller, where it sent one (`X-Request-Id`). */
  readonly correlationId?: string
  /** How the request stands in a session. Default true. */
  readonly session?: SessionMode
}

export const REQUEST: Readonly<Record<keyof RequestOptions, Option>> = {
  correlationId: { default: 'a new one', must: text, text: 'travels in everything published from the request' },
  session: SESSION_MODE,
}

/** The scope of one request: what is recorded in it waits until somebody says how the request ended. */
export interface RequestScope<Db = unknown> {
  /**
   * Runs `work` in the scope and in a session, where one is configured and the request's mode opens it: committed when it resolves, rolled back
   * when it rejects or when `failed` says so of its result. Resolves after the commit. Without a session `db` is undefined.
   */
  run<T>(work: (db: Db) => Promise<T>, failed?: (result: T) => boolean): Promise<T>
  /** Whether `run` opens a session, and whether it is the reading one. */
  readonly opens: boolean
  readonly reads: boolean
  /**
   * With `session: 'manual'`: runs `work` in a session, once. What was recorded meanwhile has happened when it resolves, whatever becomes of the
   * request, and leaves with its release.
   * @throws CorebusError SESSION_TWICE, NO_SESSION
   */
  session<T>(work: (db: Db) => Promise<T>): Promise<T>
  /** Of the part that is open. @throws CorebusError NO_SESSION that says why there is none */
  readonly db: Db
  readonly mode: SessionMode
  /** Its session has committed: whatever becomes of the answer, what was recorded has happened. */
  readonly committed: boolean
  /** Publishes what was recorded, now. Resolves when all of it is confirmed or has failed, which is logged and counted; never rejects. */
  release(): Promise<void>
  /** The request failed: nothing happened, but for what a part of it has committed, which leaves now. */
  discard(): void
}

/** The requests of one instance. `close` waits for those that are open: a client that has gone does not stop its handler. */
export interface Requests {
  readonly open: number
  openRequest(options?: RequestOptions): RequestScope
  /** Runs `work` in a session of its own, which counts as a request: its events are written before the commit, or leave after it in the background. */
  block<T>(scope: Scope, work: (db: unknown) => Promise<T>): Promise<T>
  /** Resolves when no request is open and what they released is confirmed or has failed. */
  over(): Promise<void>
}

export interface RequestsOptions {
  readonly session: Session<unknown> | Sessions<unknown> | undefined
  /** The instance: what is published inside of the request is published there. */
  readonly owner: Owner
  readonly outlet: Outlet
  /** Begins what works beside handlers and requests. */
  readonly begin: () => void
}

export function createRequests(options: RequestsOptions): Requests {
  const { owner, outlet } = options
  let open = 0
  const waiting: (() => void)[] = []

  function opening(): () => void {
    options.begin()
    open++
    let isOpen = true
    return () => {
      if (!isOpen) return
      isOpen = false
      open--
      if (open === 0) for (const resolve of waiting.splice(0)) resolve()
    }
  }

  async function block<T>(scope: Scope, work: (db: unknown) => Promise<T>): Promise<T> {
    const end = opening()
    try {
      const opens = opensIn(true, options.session)
      if (!opens) throw new CorebusError('NO_SESSION', NOT_CONFIGURED)
      const { result } = await runInScope(scope, () => answered(scope, opens, outlet, work))
      return result
    } catch (thrown) {
      discard(scope)
      throw thrown
    } finally {
      void releaseInBackground(scope).then(end) // never rejects
    }
  }

  function openRequest(requestOptions: RequestOptions = {}): RequestScope {
    checkNames('openRequest', requestOptions, REQUEST)
    const { correlationId, session: mode = true } = requestOptions
    if (!isSessionMode(mode)) checkOptions('openRequest', requestOptions, REQUEST) // throws
    // A GET asks for the reading session wherever it is; only what opens one by itself needs it.
    if (mode === 'manual') checkSessionMode('openRequest', mode, options)
    const opens = opensIn(mode, options.session)
    const scope = createScope({ owner, correlationId: carried(correlationId) ?? newId() })
    const part = new Part({ scope, where: 'the request', mode, opens, outlet })
    const session = <T>(work: (db: unknown) => Promise<T>): Promise<T> =>
      runInScope(scope, () =>
        part.run(work, async (recorded) => {
          scope.kept = recorded
          // The request was over before its part was: this has happened all the same.
          if (scope.over) await releaseInBackground(scope)
        }),
      )
    if (mode === 'manual') scope.parts = { session }
    let committed = false
    const end = opening()
    return {
      mode,
      opens: opens !== undefined && mode !== 'manual',
      reads: opens?.reads ?? false,
      run: async (work, failed = () => false) => {
        if (!opens || mode === 'manual') return runInScope(scope, () => beside(scope, work))
        const ended = await runInScope(scope, () => answered(scope, opens, outlet, work, failed))
        committed = ended.committed
        return ended.result
      },
      session,
      get db() {
        return part.db
      },
      get committed() {
        return committed
      },
      release: async () => {
        await releaseInBackground(scope)
        await scope.parting
        end()
      },
      discard: () => {
        discard(scope)
        if (!scope.kept && !scope.parting) end()
        else void Promise.all([releaseInBackground(scope), scope.parting]).then(end) // neither rejects
      },
    }
  }

  return {
    get open() {
      return open
    },
    openRequest,
    block,
    over: () => (open === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  }
}

/** Without a session around it: a part may be opened, and must have ended. */
async function beside<T>(scope: Scope, work: (db: undefined) => Promise<T>): Promise<T> {
  try {
    const result = await work(undefined)
    if (scope.parting) throw endedBefore('the request')
    return result
  } catch (thrown) {
    scope.ended = true
    await scope.parting
    throw thrown
  }
}

async function answered<T>(
  scope: Scope,
  opens: Opens,
  outlet: Outlet,
  work: (db: unknown) => Promise<T>,
  failed: (result: T) => boolean = () => false,
): Promise<{ readonly result: T; readonly committed: boolean }> {
  let rolledBack: { readonly result: T } | undefined
  try {
    const result = await inSession(scope, opens, async (db) => {
      rolledBack = undefined
      const worked = await work(db)
      if (failed(worked)) {
        rolledBack = { result: worked }
        throw new Rollback()
      }
      await writeRecorded(scope, scope.recorded, outlet)
      return worked
    })
    return { result, committed: true }
  } catch (thrown) {
    // Any error counts: a session may wrap what made it roll back, or swallow it.
    if (rolledBack) return { ...rolledBack, committed: false }
    throw thrown
  }
}

/** Thrown inside the session for a request that answered with an error without throwing one. */
class Rollback extends Error {
  constructor() {
    super('the request was answered with an error: its session is rolled back')
  }
}

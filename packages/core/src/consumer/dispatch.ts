import type { Logger } from 'pino'
import type { Message } from '../driver.ts'
import { asError, CorebusError, Reject, RetryLater } from '../errors.ts'
import type { HandlerFunction, HandlerSpec } from '../handlers/handler.ts'
import type { HandlerPlan, TopicPlan } from '../handlers/plan.ts'
import type { HandleMiddleware, HandlerCall } from '../publish/middleware.ts'
import type { Publishing } from '../scope/publishing.ts'
import { createScope, discard, type Outlet, releaseConfirmed, runInScope, type Scope, writeRecorded } from '../scope/scope.ts'
import type { Inbox, Outbox, Session } from '../scope/session.ts'
import { HEADER } from '../wire/headers.ts'
import { carried } from '../wire/id.ts'
import { type Call, Context } from './context.ts'
import { type Found, find } from './find.ts'
import type { Verdict } from './outcome.ts'
export interface DispatchOptions {
  readonly group: string
  readonly unknown: 'skip' | 'deadLetter'
  readonly bound: ReadonlyMap<HandlerSpec, HandlerFunction>
  readonly session: Session<unknown> | undefined
  readonly inbox: Inbox | undefined
  readonly outbox: Outbox | undefined
  readonly middleware: readonly HandleMiddleware[]
  readonly logger: Logger
  /** The instance: what is published inside of a handler is published there, and the outbox takes what is its own. */
  readonly owner: Publishing
  readonly outlet: Outlet
}

/** The verdict, and what of the message was understood on the way. */
export interface Dispatched {
  readonly verdict: Verdict
  readonly event: string | undefined
  /** Whose message it is. Nobody's, when it could not be read that far. */
  readonly plan: HandlerPlan | undefined
}

/** Decode, validate, open the session, ask the inbox, handle, release the scope: in this order, and it never throws. At once where nothing has to be waited for. */
export function dispatch(call: Call, topic: TopicPlan, options: DispatchOptions): Dispatched | Promise<Dispatched> {
  const found = find(call.message, topic, options.unknown)
  const { event, plan } = found
  if (found.kind === 'verdict') return { verdict: found.verdict, event, plan }
  const scope = scopeOf(call.message, options)
  try {
    const work: Handle = options.session ? inSession : handle
    const handled = runInScope(scope, work, call, found, scope, options)
    const dispatched = isPromise(handled) ? handled.then((verdict) => ended(verdict, scope, found)) : ended(handled, scope, found)
    return isPromise(dispatched) ? dispatched.catch((thrown: unknown) => failed(thrown, call, scope, found)) : dispatched
  } catch (thrown) {
    return failed(thrown, call, scope, found)
  }
}

type Handle = (
  call: Call,
  found: Found & { kind: 'handler' },
  scope: Scope,
  options: DispatchOptions,
) => Verdict | undefined | Promise<Verdict | undefined>

/** After the commit and before the acknowledgement: a crash in between repeats the handler, which publishes the same ids again. */
function ended(verdict: Verdict | undefined, scope: Scope, { event, plan }: Found): Dispatched | Promise<Dispatched> {
  if (!verdict) throw lostBySession()
  const dispatched = { verdict, event, plan }
  scope.over = true
  scope.inSession = false
  return scope.recorded.length === 0 ? dispatched : releaseConfirmed(scope).then(() => dispatched)
}

function failed(thrown: unknown, call: Call, scope: Scope, { event, plan }: Found): Dispatched {
  discard(scope)
  scope.inSession = false
  return { verdict: verdictOf(thrown, call), event, plan }
}

const isPromise = <T>(value: T | Promise<T>): value is Promise<T> => value instanceof Promise

async function inSession(
  call: Call,
  found: Found & { kind: 'handler' },
  scope: Scope,
  options: DispatchOptions,
): Promise<Verdict | undefined> {
  const session = options.session as Session<unknown>
  let verdict: Verdict | undefined
  await session(async (db) => {
    verdict = undefined
    verdict = await handle(call, found, scope, options, db)
    return verdict
  })
  return verdict
}

/** A session of plain JavaScript may lose what its work returned, which is no harm after its commit, or what it threw. */
function lostBySession(): CorebusError {
  return new CorebusError('SESSION', 'the session resolved, but its work had not: it must pass on what work returns and throws')
}

function handle(
  call: Call,
  found: Found & { kind: 'handler' },
  scope: Scope,
  options: DispatchOptions,
  db?: unknown,
): Verdict | Promise<Verdict> {
  const { inbox, group } = options
  begin(scope, call.message, options)
  if (!inbox || call.message.id === '') return callHandler(call, found, scope, options, db)
  return Promise.resolve(inbox.firstTime(db, group, call.message)).then((first) =>
    first ? callHandler(call, found, scope, options, db) : DUPLICATE,
  )
}

function callHandler(
  call: Call,
  found: Found & { kind: 'handler' },
  scope: Scope,
  options: DispatchOptions,
  db: unknown,
): Verdict | Promise<Verdict> {
  const { bound, middleware } = options
  const { plan, input } = found
  const handler = bound.get(plan.spec)
  if (!handler) throw new Error(`${plan.spec.where} was not bound`)
  const context = new Context(call, scope, options, { db, event: found.event })
  const handling =
    middleware.length === 0 ? handler(input, context) : throughMiddleware(middleware, { handler: plan.spec.where, input, context }, handler)
  // Many handlers return nothing to wait for. Some return what is only done when it is waited for, like the queries of a builder.
  return isThenable(handling)
    ? Promise.resolve(handling).then(() => afterHandler(call, scope, options, db))
    : afterHandler(call, scope, options, db)
}

function afterHandler(call: Call, scope: Scope, { outbox, outlet }: DispatchOptions, db: unknown): Verdict | Promise<Verdict> {
  const forbidden = call.forbidden()
  if (forbidden) throw new Forbidden(forbidden)
  return outbox && scope.recorded.length > 0 ? writeRecorded(scope, outlet, outbox, db).then(() => OK) : OK
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') && 'then' in value && typeof value.then === 'function'
  )
}

const OK: Verdict = { kind: 'ok' }
const DUPLICATE: Verdict = { kind: 'duplicate' }

function scopeOf({ id, headers }: Message, { owner }: DispatchOptions): Scope {
  const known = id === '' ? undefined : carried(id)
  return createScope({ correlationId: carried(headers[HEADER.correlation]) ?? known, causationId: known, owner })
}

/** A session may run its work again (a serialisation failure): what the first run recorded must not leave twice. */
function begin(scope: Scope, message: Message, { group, session }: DispatchOptions): void {
  scope.recorded.length = 0
  scope.inSession = session !== undefined
  // Without an id of its own nothing can be derived from it: what it publishes gets new ones each time.
  scope.derivesFrom = message.id === '' ? undefined : message
  scope.group = group
  scope.derived = 0
}

function throughMiddleware(middleware: readonly HandleMiddleware[], call: HandlerCall, handler: HandlerFunction): Promise<unknown> {
  const step = async (i: number): Promise<unknown> => {
    const layer = middleware[i]
    return layer ? layer(call, () => step(i + 1)) : handler(call.input, call.context)
  }
  return step(0)
}

/** Thrown inside the session, so that it rolls back. */
class Forbidden extends Error {
  readonly why: 'timed out' | 'lost'
  constructor(why: 'timed out' | 'lost') {
    super(
      why === 'lost'
        ? 'the message was taken from us while it was handled'
        : 'the handler took longer than handlerTimeoutMs; what it did in its session was rolled back',
    )
    this.why = why
  }
}

function verdictOf(thrown: unknown, call: Call): Verdict {
  if (call.forbidden() === 'lost') return { kind: 'unsettled', why: 'lost' }
  if (call.forbidden() === 'timed out')
    return { kind: 'failed', error: new CorebusError('HANDLER_TIMEOUT', new Forbidden('timed out').message, { cause: thrown }) }
  // Stopped by the signal at the end of the shutdown budget: no fault of the message.
  if (call.aborted) return { kind: 'unsettled', why: 'handed back' }
  const error = asError(thrown)
  // By name as well: the handler's copy of the SDK may be another one.
  if (error instanceof Reject || error.name === 'Reject') return { kind: 'hopeless', reason: 'rejected', error }
  if (error instanceof RetryLater || error.name === 'RetryLater') return { kind: 'later', afterMs: msOf(error), error }
  return { kind: 'failed', error }
}

function msOf(error: Error): number {
  const { ms } = error as Partial<RetryLater>
  return typeof ms === 'number' ? ms : Number.NaN
}

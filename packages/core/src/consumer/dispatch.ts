import type { Logger } from 'pino'
import type { Message } from '../driver.ts'
import { asError, CorebusError, Reject, RetryLater } from '../errors.ts'
import type { HandlerFunction, HandlerSpec } from '../handlers/handler.ts'
import type { HandlerPlan, TopicPlan } from '../handlers/plan.ts'
import type { HandleMiddleware, HandlerCall } from '../publish/middleware.ts'
import { inSession } from '../scope/in-session.ts'
import { endedBefore } from '../scope/part.ts'
import type { Publishing } from '../scope/publishing.ts'
import { createScope, discard, type Outlet, releaseConfirmed, runInScope, type Scope, writeRecorded } from '../scope/scope.ts'
import { type Inbox, type Opens, type Outbox, opensIn, type Session, type Sessions } from '../scope/session.ts'
import { HEADER } from '../wire/headers.ts'
import { carried } from '../wire/id.ts'
import { type Call, Context, type Opened } from './context.ts'
import { type Found, find } from './find.ts'
import { Forbidden, forbid } from './forbidden.ts'
import type { Members } from './members.ts'
import type { Verdict } from './outcome.ts'
export interface DispatchOptions {
  readonly group: string
  readonly unknown: 'skip' | 'deadLetter'
  readonly bound: ReadonlyMap<HandlerSpec, HandlerFunction>
  readonly session: Session<unknown> | Sessions<unknown> | undefined
  readonly inbox: Inbox | undefined
  readonly outbox: Outbox | undefined
  readonly middleware: readonly HandleMiddleware[]
  readonly logger: Logger
  /** The instance: what is published inside of a handler is published there, and the outbox takes what is its own. */
  readonly owner: Publishing
  readonly outlet: Outlet
  /** The others of the group, where they can be known. */
  readonly members?: Pick<Members, 'handles'> | undefined
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
  if (found.kind === 'verdict') return plan ? { verdict: found.verdict, event, plan } : nobodys(found.verdict, event, topic, options)
  const scope = scopeOf(call.message, options)
  const mode = found.plan.spec.session ?? true
  const opens = mode === 'manual' ? undefined : opensIn(mode, options.session)
  try {
    const handled = opens
      ? runInScope(scope, handleInSession, opens, call, found, scope, options)
      : runInScope(scope, handle, call, found, scope, options, undefined)
    const dispatched = isPromise(handled) ? handled.then((verdict) => ended(verdict, scope, found)) : ended(handled, scope, found)
    return isPromise(dispatched) ? dispatched.catch((thrown: unknown) => failed(thrown, call, scope, found, opens)) : dispatched
  } catch (thrown) {
    return failed(thrown, call, scope, found, opens)
  }
}

/** None of our handlers takes it. Another member of the group may: of another version, in a rolling deploy. */
function nobodys(
  verdict: Verdict,
  event: string | undefined,
  { topic }: TopicPlan,
  { members }: DispatchOptions,
): Dispatched | Promise<Dispatched> {
  const dispatched = (elsewhere: boolean): Dispatched => ({ verdict: elsewhere ? passOn(event) : verdict, event, plan: undefined })
  const elsewhere = members?.handles(topic, event) ?? false
  return typeof elsewhere === 'boolean' ? dispatched(elsewhere) : elsewhere.then(dispatched)
}

function passOn(event: string | undefined): Verdict {
  const what = event === undefined ? 'messages like this one' : `event ${event}`
  return {
    kind: 'elsewhere',
    error: new CorebusError(
      'UNKNOWN_EVENT',
      `another member of the group said that it handles ${what}, or could not be asked, and none took it within 10 minutes`,
    ),
  }
}

/** After the commit and before the acknowledgement: a crash in between repeats the handler, which publishes the same ids again. */
function ended(verdict: Verdict, scope: Scope, { event, plan }: Found): Dispatched | Promise<Dispatched> {
  const dispatched = { verdict, event, plan }
  scope.over = true
  return scope.recorded.length === 0 ? dispatched : releaseConfirmed(scope).then(() => dispatched)
}

function failed(
  thrown: unknown,
  call: Call,
  scope: Scope,
  { event, plan }: Found,
  opens: Opens | undefined,
): Dispatched | Promise<Dispatched> {
  discard(scope)
  const dispatched = { verdict: verdictOf(thrown, call, opens), event, plan }
  // Its session must not commit beside the retry.
  scope.ended = true
  return scope.parting ? scope.parting.then(() => dispatched) : dispatched
}

const isPromise = <T>(value: T | Promise<T>): value is Promise<T> => value instanceof Promise

function handleInSession(
  opens: Opens,
  call: Call,
  found: Found & { kind: 'handler' },
  scope: Scope,
  options: DispatchOptions,
): Promise<Verdict> {
  return inSession(scope, opens, async (db) => handle(call, found, scope, options, { db }))
}

function handle(
  call: Call,
  found: Found & { kind: 'handler' },
  scope: Scope,
  options: DispatchOptions,
  opened: Opened | undefined,
): Verdict | Promise<Verdict> {
  const { inbox, group } = options
  if (!inbox || call.message.id === '') return callHandler(call, found, scope, options, opened)
  return Promise.resolve(inbox.firstTime(opened?.db, group, call.message)).then((first) =>
    first ? callHandler(call, found, scope, options, opened) : DUPLICATE,
  )
}

function callHandler(
  call: Call,
  found: Found & { kind: 'handler' },
  scope: Scope,
  options: DispatchOptions,
  opened: Opened | undefined,
): Verdict | Promise<Verdict> {
  const { bound, middleware } = options
  const { plan, input } = found
  const handler = bound.get(plan.spec)
  if (!handler) throw new Error(`${plan.spec.where} was not bound`)
  const context = new Context(call, scope, options, { opened, event: found.event, spec: plan.spec })
  const handling =
    middleware.length === 0 ? handler(input, context) : throughMiddleware(middleware, { handler: plan.spec.where, input, context }, handler)
  // Many handlers return nothing to wait for. Some return what is only done when it is waited for, like the queries of a builder.
  return isThenable(handling)
    ? Promise.resolve(handling).then(() => afterHandler(call, scope, options, opened))
    : afterHandler(call, scope, options, opened)
}

function afterHandler(
  call: Call,
  scope: Scope,
  { outbox, outlet }: DispatchOptions,
  opened: Opened | undefined,
): Verdict | Promise<Verdict> {
  forbid(call)
  if (scope.parting) throw endedBefore('the handler')
  return outbox && scope.recorded.length > 0 ? writeRecorded(scope, outlet, outbox, opened?.db).then(() => OK) : OK
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') && 'then' in value && typeof value.then === 'function'
  )
}

const OK: Verdict = { kind: 'ok' }
const DUPLICATE: Verdict = { kind: 'duplicate' }

function scopeOf(message: Message, { owner, group }: DispatchOptions): Scope {
  const { id, headers } = message
  const known = id === '' ? undefined : carried(id)
  const scope = createScope({ correlationId: carried(headers[HEADER.correlation]) ?? known, causationId: known, owner })
  // Without an id of its own nothing can be derived from it: what it publishes gets new ones each time.
  scope.derivesFrom = id === '' ? undefined : message
  scope.group = group
  return scope
}

function throughMiddleware(middleware: readonly HandleMiddleware[], call: HandlerCall, handler: HandlerFunction): Promise<unknown> {
  const step = async (i: number): Promise<unknown> => {
    const layer = middleware[i]
    return layer ? layer(call, () => step(i + 1)) : handler(call.input, call.context)
  }
  return step(0)
}

function verdictOf(thrown: unknown, call: Call, opens: Opens | undefined): Verdict {
  if (call.forbidden() === 'lost') return { kind: 'unsettled', why: 'lost' }
  if (call.forbidden() === 'timed out') {
    const blocked =
      call.blockedMs === 0
        ? ''
        : `: it kept the event loop from turning for ${Math.round(call.blockedMs)} ms, and nothing else ran in this process`
    const undone = `${blocked}${opens ? '; what it did in its session was rolled back' : ''}`
    return {
      kind: 'failed',
      error: new CorebusError('HANDLER_TIMEOUT', `${new Forbidden('timed out').message}${undone}`, { cause: thrown }),
    }
  }
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

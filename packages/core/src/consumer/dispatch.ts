import type { Logger } from 'pino'
import type { Driver, Message } from '../driver.ts'
import { asError, CorebusError } from '../errors.ts'
import type { HandlerFunction, HandlerSpec } from '../handlers/handler.ts'
import type { HandlerPlan, TopicPlan } from '../handlers/plan.ts'
import { isThenable } from '../process/thenable.ts'
import type { HandleMiddleware, HandlerCall } from '../publish/middleware.ts'
import type { Inbox } from '../scope/companion.ts'
import { Forbidden, forbid } from '../scope/forbidden.ts'
import { inSession } from '../scope/in-session.ts'
import { endedBefore } from '../scope/part.ts'
import type { Owner } from '../scope/publishing.ts'
import { createScope, discard, type Outlet, releaseConfirmed, runInScope, type Scope, writeRecorded } from '../scope/scope.ts'
import { type Opens, opensIn, type Session, type Sessions } from '../scope/session.ts'
import { HEADER } from '../wire/headers.ts'
import { carried } from '../wire/id.ts'
import { type Call, Context, type Opened } from './context.ts'
import { find } from './find.ts'
import type { Found, Now } from './found.ts'
import type { Members } from './members.ts'
import type { Verdict } from './outcome.ts'
import { verdictOf } from './thrown.ts'

export interface DispatchOptions {
  readonly group: string
  readonly bound: ReadonlyMap<HandlerSpec, HandlerFunction>
  readonly session: Session<unknown> | Sessions<unknown> | undefined
  readonly inbox: Inbox | undefined
  readonly middleware: readonly HandleMiddleware[]
  readonly logger: Logger
  /** The instance: what is published inside of a handler is published there, and the outbox takes what is its own. */
  readonly owner: Owner
  readonly outlet: Outlet
  /** The others of the group, where they can be known. */
  readonly members?: Pick<Members, 'handles'> | undefined
  /** The driver is asked for what only the broker has of a message. */
  readonly driver?: Pick<Driver, 'raw'> | undefined
  /** A message without an id is handled, of which the inbox cannot know. */
  readonly onWithoutId?: (message: Message) => void
}

/** The verdict, and what of the message was understood on the way. */
export interface Dispatched {
  readonly verdict: Verdict
  readonly event: string | undefined
  /** Whose message it is. Nobody's, when it could not be read that far. */
  readonly plan: HandlerPlan | undefined
  /** As an envelope of others says it. */
  readonly id?: string | undefined
}

/** A message whose handler was found: what its steps have in common. */
interface Handling {
  readonly call: Call
  /** As it is known to the inbox and to what follows from it: with the id that its envelope gave it. */
  readonly message: Message
  readonly found: Found & { readonly kind: 'handler' }
  /** Where what it publishes waits for its end. */
  readonly scope: Scope
  /** Undefined where the steps have no session around them. */
  readonly opens: Opens | undefined
  readonly options: DispatchOptions
}

/**
 * Takes a message to its verdict and never throws. The steps, each below the one before it, come in an order that is a guarantee: decode and validate
 * (`find`), open the session, ask the inbox in it, handle, write what was recorded into the outbox, release what was recorded to the broker. At once
 * where nothing has to be waited for.
 */
export function dispatch(call: Call, topic: TopicPlan, options: DispatchOptions): Now<Dispatched> {
  const found = find(call, topic, options)
  if (!isPromise(found)) return dispatchFound(found, call, topic, options)
  return found.then((one) => {
    // It may have been taken from us, have timed out or been stopped while a decoder or an envelope waited: what it throws then is no fault of the message.
    if (one.kind === 'nobody' || !(call.aborted || call.forbidden())) return dispatchFound(one, call, topic, options)
    const cause = one.kind === 'verdict' && 'error' in one.verdict ? one.verdict.error : new Forbidden('timed out')
    return { verdict: verdictOf(cause, call, false), event: one.event, plan: one.plan }
  })
}

function dispatchFound(found: Found, call: Call, topic: TopicPlan, options: DispatchOptions): Now<Dispatched> {
  if (found.kind === 'nobody') return nobodys(found.verdict, found.event, topic, options)
  if (found.kind === 'verdict') return { verdict: found.verdict, event: found.event, plan: found.plan }
  const mode = found.plan.spec.session ?? true
  const opens = mode === 'manual' ? undefined : opensIn(mode, options.session)
  const message = found.id === undefined ? call.message : { ...call.message, id: found.id }
  const handling: Handling = { call, message, found, scope: scopeOf(call, message, options), opens, options }
  try {
    const verdict = runInScope(handling.scope, openSession, handling)
    const dispatched = isPromise(verdict) ? verdict.then((one) => release(handling, one)) : release(handling, verdict)
    return isPromise(dispatched) ? dispatched.catch((thrown: unknown) => failed(handling, thrown)) : dispatched
  } catch (thrown) {
    return failed(handling, thrown)
  }
}

function openSession(handling: Handling): Now<Verdict> {
  const { call, scope, opens } = handling
  if (!opens) return askInbox(handling, undefined)
  call.waiting = true
  return inSession(scope, opens, async (db) => {
    call.begins()
    return askInbox(handling, { db })
  })
}

/** Inside of the session, so that the mark and what the handler does are committed together. */
function askInbox(handling: Handling, opened: Opened | undefined): Now<Verdict> {
  const { inbox } = handling.options
  if (!inbox || !opened) return handle(handling, opened)
  const marking = mark(handling, inbox, opened.db)
  return marking ? marking.then((first) => (first ? handle(handling, opened) : DUPLICATE)) : handle(handling, opened)
}

/** Undefined where the inbox is not asked. Resolves with whether the message is handled for the first time. */
function mark({ message, found, scope, options }: Handling, inbox: Inbox, db: unknown): Promise<boolean> | undefined {
  const { spec } = found.plan
  if (spec.inbox === false) return undefined
  const id = spec.inboxKey ? inboxKeyOf(spec, found.input, message) : message.id
  if (id === '') {
    options.onWithoutId?.(message)
    return undefined
  }
  return Promise.resolve(inbox.firstTime(db, options.group, { topic: message.topic, id })).then((first) => {
    if (scope.open) scope.open.marked = first
    return first
  })
}

/** What a part does before its work. */
async function markInPart(handling: Handling, inbox: Inbox, db: unknown): Promise<void> {
  const { scope, message, options } = handling
  scope.duplicate = (await mark(handling, inbox, db)) === false
  if (scope.duplicate)
    throw new CorebusError(
      'DUPLICATE',
      `${options.group} has handled message ${message.id} of ${message.topic} before, so session(work) does nothing: the message is acknowledged. Let this error through`,
    )
}

/** @throws CorebusError INBOX_KEY for what is no key */
function inboxKeyOf({ where, inboxKey }: HandlerSpec, input: unknown, { topic, key, id, headers }: Message): string {
  let made: unknown
  try {
    made = inboxKey?.(input, { topic, key, id, headers })
  } catch (cause) {
    throw new CorebusError('INBOX_KEY', `inboxKey of ${where} failed: ${asError(cause).message}`, { cause })
  }
  if (typeof made === 'string' && made !== '') return made
  throw new CorebusError(
    'INBOX_KEY',
    `inboxKey of ${where} must return a string that is not empty, not ${made === '' ? 'an empty one' : typeof made}`,
  )
}

function handle(handling: Handling, opened: Opened | undefined): Now<Verdict> {
  const { call, message, found, scope, options } = handling
  const { plan, input } = found
  if (opened) mayBegin(call)
  const handler = options.bound.get(plan.spec)
  if (!handler) throw new Error(`${plan.spec.where} was not bound`)
  const context = new Context(call, scope, options, {
    opened,
    event: found.event,
    spec: plan.spec,
    id: message.id,
    askInbox: options.inbox && askedInPart(handling, options.inbox),
  })
  if (plan.spec.session === 'manual') scope.parts = context
  const { middleware } = options
  const result =
    middleware.length === 0 ? handler(input, context) : throughMiddleware(middleware, { handler: plan.spec.where, input, context }, handler)
  // Many handlers return nothing to wait for. Some return what is only done when it is waited for, like the queries of a builder.
  return isThenable(result) ? Promise.resolve(result).then(() => writeOutbox(handling)) : writeOutbox(handling)
}

/** A session may wait for a connection, and an inbox for the transaction of another copy: by then the message may be somebody else's, or its time over. */
function mayBegin(call: Call): void {
  if (call.aborted) throw new Forbidden(call.forbidden() ?? 'timed out')
}

/** Before the commit. What was lost or has timed out meanwhile, or has not ended, commits nothing. */
function writeOutbox({ call, scope, options: { outlet } }: Handling): Now<Verdict> {
  forbid(call)
  if (scope.parting) throw endedBefore('the handler')
  if (scope.duplicate) {
    scope.recorded.length = 0
    return DUPLICATE
  }
  return outlet.outbox && scope.recorded.length > 0 ? writeRecorded(scope, scope.recorded, outlet).then(() => OK) : OK
}

/** Undefined for most handlers, so that no function is made for each message. */
function askedInPart(handling: Handling, inbox: Inbox): ((db: unknown) => Promise<void>) | undefined {
  return handling.found.plan.spec.session === 'manual' ? (db) => markInPart(handling, inbox, db) : undefined
}

/** After the commit and before the acknowledgement: a crash in between repeats the handler, which publishes the same ids again. */
function release({ scope, found: { event, plan, id } }: Handling, verdict: Verdict): Now<Dispatched> {
  const dispatched = { verdict, event, plan, id }
  scope.over = true
  return scope.recorded.length === 0 ? dispatched : releaseConfirmed(scope).then(() => dispatched)
}

/** Instead of the steps that are left. */
function failed({ call, scope, opens, found: { event, plan, id } }: Handling, thrown: unknown): Now<Dispatched> {
  discard(scope)
  // A handler whose part was told that its message was handled before cannot fail any more, whatever it makes of that.
  const verdict = scope.duplicate && call.forbidden() !== 'lost' ? DUPLICATE : verdictOf(thrown, call, opens !== undefined)
  const dispatched = { verdict, event, plan, id }
  // Its session must not commit beside the retry.
  scope.ended = true
  return scope.parting ? scope.parting.then(() => dispatched) : dispatched
}

const isPromise = <T>(value: Now<T>): value is Promise<T> => value instanceof Promise

const OK: Verdict = { kind: 'ok' }
const DUPLICATE: Verdict = { kind: 'duplicate' }

/** None of our handlers takes it. Another member of the group may: of another version, in a rolling deploy. */
function nobodys(verdict: Verdict, event: string | undefined, { topic }: TopicPlan, { members }: DispatchOptions): Now<Dispatched> {
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

function scopeOf(call: Call, message: Message, { owner, group }: DispatchOptions): Scope {
  const { id, headers } = message
  const known = id === '' ? undefined : carried(id)
  const scope = createScope({ correlationId: carried(headers[HEADER.correlation]) ?? known, causationId: known, owner })
  // Without an id of its own nothing can be derived from it: what it publishes gets new ones each time.
  scope.derivesFrom = id === '' ? undefined : message
  scope.group = group
  scope.guard = call
  return scope
}

function throughMiddleware(middleware: readonly HandleMiddleware[], call: HandlerCall, handler: HandlerFunction): Promise<unknown> {
  const step = async (i: number): Promise<unknown> => {
    const layer = middleware[i]
    return layer ? layer(call, () => step(i + 1)) : handler(call.input, call.context)
  }
  return step(0)
}

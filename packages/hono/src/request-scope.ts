import { CorebusError, defaultMessaging, type Messaging, type RequestOptions, type RequestScope, type SessionMode } from '@corebus/core'
import { checkOptions, type Option, SESSION_MODE } from '@corebus/core/internal'
import type { Context, MiddlewareHandler } from 'hono'
import { carryRequestId, requestIdOf } from './request-id.ts'
import { responseEndOf } from './response-end.ts'

/** What is needed of an instance, and of what `configureMessaging` returns. */
export interface RequestMessaging<Db = unknown> {
  openRequest(options?: RequestOptions): RequestScope<Db>
  readonly check?: Messaging['check']
}

export interface RequestScopeOptions {
  /** How the requests stand in a session. Default: GET and HEAD in the reading one, where there is one; all others in a session. */
  readonly session?: SessionMode
}

export const REQUEST_SCOPE: Readonly<Record<keyof RequestScopeOptions, Option>> = {
  session: { ...SESSION_MODE, default: "`'read'` for GET and HEAD, `true` for all others" },
}

/** `new Hono<{ Variables: RequestVariables<Tx> }>()` types `c.get('db')` in every route. */
export interface RequestVariables<Db = unknown> {
  /** The open session of this request. Where there is none, whatever is asked of it throws NO_SESSION, unless another middleware has set it. */
  db: Db
  /** With `session: 'manual'`: runs its argument in a session, once. (`session` itself is what many apps call their user's.) */
  inSession: RequestScope<Db>['session']
  /** What every message published from this request carries as its correlation id. */
  requestId: string
}

/**
 * Gives every request its scope and, where one is configured, its session. What `@event` and `emit` record leaves when the response has gone
 * out or the connection is gone; nothing waits for the broker. A request that ends in an error (thrown, status 400 and above, a commit that
 * fails) publishes nothing and its session is rolled back. The session is committed before the response is sent.
 *
 * Off Node, what was recorded is handed to `waitUntil`; where there is none (`app.request()`), it is published before the response.
 */
export function requestScope<Db = unknown>(
  // Without a type argument nothing is known of the default instance's session.
  messaging: RequestMessaging<Db> = defaultMessaging() as RequestMessaging<Db>,
  options: RequestScopeOptions = {},
): MiddlewareHandler<{ Variables: RequestVariables<Db> }> {
  if (typeof messaging?.openRequest !== 'function')
    throw new CorebusError(
      'OPTION',
      'requestScope(messaging, options): messaging must be an instance, as configureMessaging returns it, and comes first',
    )
  checkOptions('requestScope', options, REQUEST_SCOPE)
  if (options.session !== undefined) messaging.check?.([{ where: 'requestScope', session: options.session }])
  return async (c, next) => {
    const open = openIn(c, messaging)
    if (open) {
      refuseOther(open, 'requestScope', options.session)
      return next()
    }
    await inRequestScope(c, messaging, options.session ?? modeFor(c), async () => {
      await next()
      return c.res
    })
    return undefined
  }
}

/** What only reads gets the reading session, where there is one. */
export const modeFor = ({ req: { method } }: Context): SessionMode => modeOf(method)

export const modeOf = (method: string): SessionMode => (method === 'GET' || method === 'HEAD' ? 'read' : true)

/**
 * A `requestScope` further out has decided already how the request stands in a session.
 * @throws CorebusError SESSION_MODE when `where` needs another
 */
export function refuseOther({ mode, opens, reads }: Opened, where: string, wanted: SessionMode | undefined): void {
  if (wanted === undefined || wanted === mode) return
  const fits =
    wanted === 'manual' || mode === 'manual' ? false : wanted === 'read' ? opens : wanted === true ? !reads && mode !== false : !opens
  if (fits) return
  throw new CorebusError(
    'SESSION_MODE',
    `${where} says session: ${JSON.stringify(wanted)}, and a requestScope around it has opened its request with session: ${JSON.stringify(mode)}. Put that one around the other routes only, or give it { session: ${JSON.stringify(wanted)} }`,
  )
}

/** What a route has of its request's session. */
export interface Opened<Db = unknown> {
  /** Of the whole request, or of the part that is open. @throws CorebusError NO_SESSION */
  readonly db: Db
  readonly mode: SessionMode
  /** A session is open around the request, and whether it is the reading one. */
  readonly opens: boolean
  readonly reads: boolean
  readonly session: RequestScope<Db>['session']
}

/** By request and instance, so that a scope is not opened twice. */
const opened = new WeakMap<Context, Map<RequestMessaging, Opened>>()

/** What is open for this request already. */
export function openIn<Db>(c: Context, messaging: RequestMessaging<Db>): Opened<Db> | undefined {
  return opened.get(c)?.get(messaging as RequestMessaging) as Opened<Db> | undefined
}

function remember<Db>(c: Context, messaging: RequestMessaging<Db>, scope: RequestScope<Db>, db: Db): Opened<Db> {
  const { mode, opens, reads, session } = scope
  const here: Opened<Db> = {
    mode,
    opens,
    reads,
    session,
    get db() {
      return scope.opens ? db : scope.db
    },
  }
  const known = opened.get(c) ?? new Map()
  opened.set(c, known.set(messaging, here))
  c.set('inSession', session)
  // Without a session it may be somebody else's.
  if (scope.opens) c.set('db', db)
  else if (c.get('db') === undefined) c.set('db', noDb(scope))
  return here
}

/** Whatever is asked of it, the error says why there is no session. */
function noDb(scope: RequestScope): unknown {
  const tell = (): never => {
    void scope.db // throws, unless a part is open: then its work has the db
    throw new CorebusError('NO_SESSION', "c.get('db') is that of a whole request: in session(async (db) => ...) use the db it gives")
  }
  return new Proxy(Object.create(null), { get: tell, set: tell, has: tell, apply: tell })
}

/** Runs what answers the request in its scope and session, and sees to it that what was recorded leaves, or does not. */
export async function inRequestScope<Db>(
  c: Context,
  messaging: RequestMessaging<Db>,
  mode: SessionMode,
  answer: (opened: Opened<Db>) => Promise<Response>,
): Promise<Response> {
  const requestId = requestIdOf(c)
  const scope = messaging.openRequest({ correlationId: requestId, session: mode })
  const failed = ({ status }: { status: number }): boolean => c.error !== undefined || status >= 400
  let response: Response
  try {
    response = await scope.run((db) => answer(remember(c, messaging, scope, db)), failed)
  } catch (thrown) {
    scope.discard()
    if (c.finalized) forgetAnswer(c)
    throw thrown
  }
  carryRequestId(response, requestId)
  if (failed(response)) scope.discard()
  else await releaseAfterResponse(c, scope, failed)
  return response
}

async function releaseAfterResponse(c: Context, scope: RequestScope, failed: (ended: { status: number }) => boolean): Promise<void> {
  const end = responseEndOf(c)
  switch (end.kind) {
    case 'told':
      // A middleware outside of the scope may have failed since. What a session has committed stays done all the same.
      return end.whenOver(() => (!scope.committed && failed({ status: end.status() }) ? scope.discard() : void scope.release())) // never rejects
    case 'waitUntil':
      return end.waitUntil(scope.release())
    case 'unknown':
      return scope.release()
  }
}

const OF_THE_ANSWER = ['content-length', 'content-encoding', 'content-range', 'etag', 'last-modified', 'location', 'set-cookie']

/** The commit failed after the answer was made: the error's answer must not carry the headers of a success, which Hono would merge into it. */
function forgetAnswer(c: Context): void {
  const { body, headers } = c.res
  const left = new Headers(headers)
  for (const name of OF_THE_ANSWER) left.delete(name)
  c.res = undefined
  c.res = new Response(null, { status: 500, headers: left })
  // A stream that nobody reads would hold its producer for ever. It may be read by another already: then it is theirs.
  body?.cancel().catch(() => undefined)
}

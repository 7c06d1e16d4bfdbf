import { CorebusError, defaultMessaging, type RequestOptions, type RequestScope } from '@corebus/core'
import type { Context, MiddlewareHandler } from 'hono'
import { carryRequestId, requestIdOf } from './request-id.ts'
import { responseEndOf } from './response-end.ts'

/** What is needed of an instance, and of what `configureMessaging` returns. */
export interface RequestMessaging<Db = unknown> {
  openRequest(options?: RequestOptions): RequestScope<Db>
}

/** `new Hono<{ Variables: RequestVariables<Tx> }>()` types `c.get('db')` in every route. */
export interface RequestVariables<Db = unknown> {
  /** The open session of this request. `undefined` where none is configured. */
  db: Db
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
): MiddlewareHandler<{ Variables: RequestVariables<Db> }> {
  if (typeof messaging?.openRequest !== 'function')
    throw new CorebusError(
      'OPTION',
      'requestScope(messaging): messaging must be an instance, as configureMessaging returns it, and is given by itself',
    )
  return async (c, next) => {
    if (openIn(c, messaging)) return next()
    await inRequestScope(c, messaging, async () => {
      await next()
      return c.res
    })
    return undefined
  }
}

/** By request and instance, so that a scope is not opened twice. */
const opened = new WeakMap<Context, Map<RequestMessaging, { readonly db: unknown }>>()

/** The session of a scope that is open already. */
export function openIn<Db>(c: Context, messaging: RequestMessaging<Db>): { readonly db: Db } | undefined {
  return opened.get(c)?.get(messaging as RequestMessaging) as { readonly db: Db } | undefined
}

function remember<Db>(c: Context, messaging: RequestMessaging<Db>, db: Db): void {
  const known = opened.get(c) ?? new Map()
  opened.set(c, known.set(messaging, { db }))
  c.set('db', db)
}

/** Runs what answers the request in its scope and session, and sees to it that what was recorded leaves, or does not. */
export async function inRequestScope<Db>(
  c: Context,
  messaging: RequestMessaging<Db>,
  answer: (db: Db) => Promise<Response>,
): Promise<Response> {
  const requestId = requestIdOf(c)
  const scope = messaging.openRequest({ correlationId: requestId })
  const failed = ({ status }: { status: number }): boolean => c.error !== undefined || status >= 400
  let response: Response
  try {
    response = await scope.run((db) => {
      remember(c, messaging, db)
      return answer(db)
    }, failed)
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

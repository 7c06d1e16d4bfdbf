import { randomUUID } from 'node:crypto'
import type { Context } from 'hono'

export const REQUEST_ID = 'X-Request-Id'

// It comes from anybody, and goes into logs and message headers.
const ACCEPTED = /^[\x21-\x7e]{1,255}$/

/**
 * The id that ties a request to what it publishes: the one that Hono's `requestId` middleware made, else the caller's `X-Request-Id`, else
 * a new one. The answer carries it too, so that a caller who sent none can find what became of the request.
 */
export function requestIdOf(c: Context): string {
  const known: unknown = c.get('requestId')
  if (typeof known === 'string' && known !== '') return known
  const sent = c.req.header(REQUEST_ID)
  const id = sent !== undefined && ACCEPTED.test(sent) ? sent : randomUUID()
  c.set('requestId', id)
  c.header(REQUEST_ID, id)
  return id
}

/** For a Response that a handler made without the context, which has none of the headers set before. */
export function carryRequestId(response: Response, id: string): void {
  if (response.headers.has(REQUEST_ID)) return
  try {
    response.headers.set(REQUEST_ID, id)
  } catch (thrown) {
    // What fetch returned has immutable headers: an answer passed on keeps its own.
    if (!(thrown instanceof TypeError)) throw thrown
  }
}

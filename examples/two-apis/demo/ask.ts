import { randomUUID } from 'node:crypto'
import type { Timeline } from './timeline.ts'

export interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
  /** What was sent as `X-Request-Id`: everything the request causes carries it. */
  readonly requestId: string
}

export interface Ask {
  readonly body?: unknown
  readonly token?: string
}

/** One request, and its line in the timeline. */
export async function ask(tell: Timeline['tell'], method: string, url: string, { body, token }: Ask = {}): Promise<Answer> {
  const requestId = randomUUID()
  const headers = {
    'x-request-id': requestId,
    ...(body !== undefined && { 'content-type': 'application/json' }),
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  }
  const askedAt = performance.now()
  const response = await fetch(url, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) })
  const text = await response.text()
  const { pathname } = new URL(url)
  const service = pathname.startsWith('/users') ? 'users-api' : 'orders-api'
  tell(service, 'answered', `${method} ${pathname} ${response.status} in ${Math.round(performance.now() - askedAt)} ms ${text}`)
  return { status: response.status, body: objectIn(text, `${method} ${pathname}`), requestId }
}

/** One request that is not part of the story: it only looks. */
export async function look(url: string): Promise<unknown> {
  const response = await fetch(url)
  return response.ok ? response.json() : undefined
}

function objectIn(text: string, what: string): Record<string, unknown> {
  const value: unknown = text === '' ? {} : JSON.parse(text)
  if (typeof value !== 'object' || value === null) throw new Error(`${what} answered no object: ${text}`)
  return { ...value }
}

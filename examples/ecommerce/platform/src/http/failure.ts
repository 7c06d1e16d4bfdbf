import { CorebusError } from '@corebus/core'
import { z } from '@hono/zod-openapi'
import type { Context, ErrorHandler, NotFoundHandler } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { type RefusalCode, Refused } from '../refused.ts'

/** The one shape of every answer of 400 and above. */
export const Failure = z
  .object({
    error: z.object({
      code: z.string(),
      message: z.string(),
      issues: z.array(z.object({ path: z.array(z.union([z.string(), z.number()])), message: z.string() })),
    }),
  })
  .openapi('Failure')

export interface Issue {
  readonly path: readonly (string | number)[]
  readonly message: string
}

interface FailureToAnswer {
  readonly code: string
  readonly message: string
  readonly issues?: readonly Issue[]
  /** Goes out as Retry-After. */
  readonly retryAfterS?: number
}

export function fail(c: Context, status: ContentfulStatusCode, { code, message, issues = [], retryAfterS }: FailureToAnswer): Response {
  if (retryAfterS !== undefined) c.header('Retry-After', String(retryAfterS))
  return c.json({ error: { code, message, issues } }, status)
}

/** The statuses by which a client hears of the domain's refusals. The others are 409. */
const STATUSES: Partial<Record<RefusalCode, ContentfulStatusCode>> = { not_found: 404, unknown_user: 422 }
const RETRY_AFTER_S: Partial<Record<RefusalCode, number>> = { not_reserved: 1 }

/** Errors of the SDK that are over by themselves: the database is busy, or its other transactions were faster again and again. */
const BUSY: readonly string[] = ['SESSION_BUSY', 'BACKPRESSURE']

/** An error that nobody expected is logged, and its client hears nothing of it. */
export function answerError(logger: { error(fields: object, text: string): void }): ErrorHandler {
  return (thrown, c) => {
    if (thrown instanceof Refused) {
      const { code, message, path } = thrown
      const issues = path ? [{ path, message }] : []
      return fail(c, STATUSES[code] ?? 409, { code, message, issues, retryAfterS: RETRY_AFTER_S[code] })
    }
    if (thrown instanceof HTTPException)
      return fail(c, thrown.status as ContentfulStatusCode, { code: 'bad_request', message: thrown.message })
    if (thrown instanceof CorebusError && BUSY.includes(thrown.code))
      return fail(c, 503, { code: 'busy', message: 'too much is being written at the moment', retryAfterS: 1 })
    logger.error({ err: thrown, requestId: c.get('requestId') }, `${c.req.method} ${c.req.path} failed`)
    return fail(c, 500, { code: 'internal', message: `something failed here: tell us the request id ${c.get('requestId')}` })
  }
}

export const answerNotFound: NotFoundHandler = (c) =>
  fail(c, 404, { code: 'no_route', message: `there is no ${c.req.method} ${c.req.path}` })

interface Checked {
  readonly target: string
  readonly success: boolean
  readonly error?: { readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[] }
}

/** Answers what does not fit its schema with 422 and what is wrong. An id in the path that cannot be one is that of nothing: 404. */
export function answerIssues({ target, success, error }: Checked, c: Context): Response | undefined {
  if (success) return undefined
  if (target === 'param') return fail(c, 404, { code: 'not_found', message: `there is nothing at ${c.req.path}` })
  const issues = (error?.issues ?? []).map(({ path, message }) => ({
    path: path.map((part) => (typeof part === 'number' ? part : String(part))),
    message,
  }))
  const where = target === 'json' ? 'body' : target
  return fail(c, 422, { code: 'invalid', message: `the ${where} does not fit`, issues })
}

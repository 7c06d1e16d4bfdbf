import type { Messaging } from '@corebus/core'
import { health, type RequestVariables, requestScope } from '@corebus/hono'
import { OpenAPIHono, z } from '@hono/zod-openapi'
import { bodyLimit } from 'hono/body-limit'
import { requestId } from 'hono/request-id'
import { answerError, answerIssues, answerNotFound, Failure, fail } from './failure.ts'
import { jsonOnly } from './json-only.ts'
import { requestLine } from './request-line.ts'

const MAX_BODY_BYTES = 64 * 1024

export interface ServiceEnv {
  Variables: RequestVariables & {
    /** More fields of the request's log line. */
    logged: Readonly<Record<string, unknown>>
  }
}
export type ServiceApp = OpenAPIHono<ServiceEnv>

/**
 * Makes an app with what every service's API has before its first route: request id, one log line a request, one shape of error, a limit for bodies, health
 * and `/openapi.json`. A request opens no session by itself: commands do, so that nothing is written, or waited for, on behalf of what is refused.
 */
export function serviceApp(service: string, messaging: Messaging): ServiceApp {
  const app: ServiceApp = new OpenAPIHono<ServiceEnv>({ defaultHook: answerIssues as never })
  app.use(requestId(), requestLine(messaging.logger))
  app.onError(answerError(messaging.logger))
  app.notFound(answerNotFound)
  app.route('/', health(messaging))
  app.use(
    '/api/*',
    bodyLimit({
      maxSize: MAX_BODY_BYTES,
      onError: (c) => fail(c, 413, { code: 'too_large', message: `the body is larger than ${MAX_BODY_BYTES} bytes` }),
    }),
    jsonOnly,
    requestScope(messaging, { session: false }) as never,
  )
  app.doc31('/openapi.json', { openapi: '3.1.0', info: { title: service, version: '0.1.0' } })
  return app
}

const json = <Schema extends z.ZodType>(schema: Schema) => ({ content: { 'application/json': { schema } } })

/** The body of a request. */
export const jsonBody = <Schema extends z.ZodType>(schema: Schema) => ({ required: true, ...json(schema) })

/** The answers of a route beside its own: what its middleware and its domain may refuse. */
export const failures = {
  404: { description: 'There is nothing with this id', ...json(Failure) },
  409: { description: 'The state of things does not allow it', ...json(Failure) },
  413: { description: 'The body is too large', ...json(Failure) },
  415: { description: 'The body is not JSON', ...json(Failure) },
  422: { description: 'What was sent does not fit', ...json(Failure) },
}

export const CREATED = {
  201: { description: 'Created', headers: z.object({ Location: z.string() }), ...json(z.object({ id: z.int() })) },
}
export const DONE = { 204: { description: 'Done' } }
export const found = <Schema extends z.ZodType>(schema: Schema) => ({
  200: { description: 'As it is now', ...json(schema) },
})

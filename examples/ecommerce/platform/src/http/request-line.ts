import type { MiddlewareHandler } from 'hono'

/** Logs one line a request, when it has been answered, and nothing of its body. `logged` of the context adds fields, such as a user's id. */
export function requestLine(logger: { info(fields: object, text: string): void }): MiddlewareHandler {
  return async (c, next) => {
    const begunAt = performance.now()
    await next()
    const ms = Math.round(performance.now() - begunAt)
    const { method, path } = c.req
    const { status } = c.res
    logger.info({ method, path, status, ms, requestId: c.get('requestId'), ...c.get('logged') }, `${method} ${path} ${status} in ${ms} ms`)
  }
}

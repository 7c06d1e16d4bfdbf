import type { MiddlewareHandler } from 'hono'
import { fail } from './failure.ts'

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i

/** A body that says it is something else is refused before it is read: browsers send other types to any site without asking it. */
export const jsonOnly: MiddlewareHandler = async (c, next) => {
  const { 'content-type': type, 'content-length': length = '0', 'transfer-encoding': chunked } = c.req.header()
  const hasBody = length !== '0' || chunked !== undefined
  if (hasBody && (type === undefined || !JSON_TYPE.test(type)))
    return fail(c, 415, { code: 'not_json', message: 'send the body as application/json' })
  return next()
}

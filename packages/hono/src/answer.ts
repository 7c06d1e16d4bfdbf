import type { Context } from 'hono'

/** Makes a response of what an action has returned. */
export function answer(c: Context, result: unknown): Response {
  if (isResponse(result)) return result
  if (result === undefined) return c.body(null, 204)
  return c.json(result as object, c.req.method === 'POST' ? 201 : 200) // JSON.stringify decides what travels
}

/** Recognises a response by its tag: servers replace the global Response, and what fetch returns is still the old one. */
export function isResponse(value: unknown): value is Response {
  return Object.prototype.toString.call(value) === '[object Response]'
}

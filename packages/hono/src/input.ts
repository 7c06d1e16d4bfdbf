import type { Schema } from '@corebus/core'
import { decodeJson } from '@corebus/core/internal'
import type { Context } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { ActionOptions } from './action.ts'

export const MAX_BODY_BYTES: number = 1024 * 1024

/** What of a request was checked, or the answer that says what is wrong with it. */
export type Input = { readonly body: unknown; readonly query: unknown } | { readonly refused: Response }

export interface InputOptions extends Pick<ActionOptions, 'body' | 'query'> {
  readonly maxBodyBytes: number
}

/** Body and query, checked. Other failures than the caller's own (a connection that breaks, a `bodyLimit` around it) are thrown as they are. */
export async function inputOf(c: Context, { body, query, maxBodyBytes }: InputOptions): Promise<Input> {
  const checkedQuery = query ? await checked(c, 'query', query, queryOf(c)) : undefined
  if (checkedQuery && 'refused' in checkedQuery) return checkedQuery
  const tooLarge = await limited(c, maxBodyBytes)
  if (tooLarge) return { refused: tooLarge }
  const checkedBody = body ? await bodyOf(c, body) : undefined
  if (checkedBody && 'refused' in checkedBody) return checkedBody
  return { body: checkedBody?.value, query: checkedQuery?.value }
}

export type Checked = { readonly value: unknown } | { readonly refused: Response }

/** The answer to a body that is too large. It is not read any further, also where its length was not said before. */
export async function limited(c: Context, maxBodyBytes: number): Promise<Response | undefined> {
  if (c.req.method === 'GET' || c.req.method === 'HEAD') return undefined
  const limit = bodyLimit({
    maxSize: maxBodyBytes,
    onError: () => c.json({ error: `the body is larger than ${maxBodyBytes} bytes` }, 413),
  })
  return (await limit(c, async () => {})) ?? undefined
}

/** Reads and checks the body of a request. What is no UTF-8 is no JSON either. An own `__proto__` is removed, as in messages. */
export async function bodyOf(c: Context, schema: Schema): Promise<Checked> {
  const bytes = new Uint8Array(await c.req.arrayBuffer())
  if (bytes.length === 0) return { refused: c.json({ error: 'the request has no body: send JSON' }, 400) }
  const type = c.req.header('content-type')
  if (!isJson(type)) {
    const what = type === undefined ? 'the body has no content-type' : `${JSON.stringify(type)} is no content-type that is known here`
    return { refused: c.json({ error: `${what}: send JSON as application/json` }, 415) }
  }
  let wire: unknown
  try {
    wire = decodeJson(bytes)
  } catch (thrown) {
    return { refused: c.json({ error: `the body is no JSON: ${(thrown as SyntaxError).message}` }, 400) }
  }
  return checked(c, 'body', schema, wire)
}

/** Browsers send other types to any site without asking it, with the cookies of their user: what changes something must not take them. */
const isJson = (type: string | undefined): boolean => type !== undefined && /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(type)

function queryOf(c: Context): Readonly<Record<string, string | readonly string[]>> {
  return Object.fromEntries(
    Object.entries(c.req.queries()).map(([name, values]) => [name, values.length === 1 ? (values[0] as string) : values]),
  )
}

async function checked(c: Context, what: 'body' | 'query', schema: Schema, wire: unknown): Promise<Checked> {
  const result = await schema['~standard'].validate(wire)
  if (!result.issues) return { value: result.value }
  const issues = result.issues.map(({ path = [], message }) => ({ path: path.map(segment), message }))
  return { refused: c.json({ error: `the ${what} does not fit`, issues }, 422) }
}

function segment(part: PropertyKey | { readonly key: PropertyKey }): string | number {
  const key = typeof part === 'object' ? part.key : part
  return typeof key === 'number' ? key : String(key)
}

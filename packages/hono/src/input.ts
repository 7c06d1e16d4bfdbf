import type { Schema } from '@corebus/core'
import type { Context } from 'hono'
import type { ActionOptions } from './action.ts'

/** What of a request was checked, or the answer that says what is wrong with it. */
export type Input = { readonly body: unknown; readonly query: unknown } | { readonly refused: Response }

/** Body and query, checked. Other failures than the caller's own (a connection that breaks, Hono's bodyLimit) are thrown as they are. */
export async function inputOf(c: Context, { body, query }: ActionOptions): Promise<Input> {
  const checkedQuery = query ? await checked(c, 'query', query, queryOf(c)) : undefined
  if (checkedQuery && 'refused' in checkedQuery) return checkedQuery
  const checkedBody = body ? await bodyOf(c, body) : undefined
  if (checkedBody && 'refused' in checkedBody) return checkedBody
  return { body: checkedBody?.value, query: checkedQuery?.value }
}

type Checked = { readonly value: unknown } | { readonly refused: Response }

async function bodyOf(c: Context, schema: Schema): Promise<Checked> {
  const text = await c.req.text()
  if (text.trim() === '') return { refused: c.json({ error: 'the request has no body: send JSON' }, 400) }
  let wire: unknown
  try {
    wire = JSON.parse(text)
  } catch (thrown) {
    return { refused: c.json({ error: `the body is no JSON: ${(thrown as SyntaxError).message}` }, 400) }
  }
  return checked(c, 'body', schema, wire)
}

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

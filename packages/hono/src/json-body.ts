import type { Schema } from '@corebus/core'
import { checkOptions, type Option } from '@corebus/core/internal'
import type { MiddlewareHandler, TypedResponse } from 'hono'
import { bodyOf, limited, MAX_BODY_BYTES } from './input.ts'
import { MOUNT } from './mount.ts'

/** The type of what a schema takes. */
export type InputOf<S extends Schema> = S extends { readonly '~standard': { readonly types?: { readonly input: infer In } | undefined } }
  ? In
  : never
/** The type of what a schema gives. */
export type OutputOf<S extends Schema> = S extends Schema<infer Out> ? Out : never

/** The answer to a request that does not fit. */
export interface Refused {
  error: string
  issues?: { path: (string | number)[]; message: string }[]
}

export interface JsonBodyOptions {
  /** The most that a body may have; 413 for more. Default 1 MiB. */
  readonly maxBodyBytes?: number
}

export const JSON_BODY: Readonly<Record<keyof JsonBodyOptions, Option>> = { maxBodyBytes: MOUNT.maxBodyBytes }

/**
 * Does for a plain route what `@action({ body })` does: the body is `c.req.valid('json')`, and typed for `hc`. What does not fit is answered with 422 and
 * the issues, what is no JSON with 400, another content-type with 415, too much with 413. Put it before `requestScope`: then nothing is opened for what is
 * refused.
 * @example
 * app.post('/users', jsonBody(NewUser), (c) => c.json(register(c.var.db, c.req.valid('json')), 201))
 */
export function jsonBody<S extends Schema>(
  schema: S,
  options: JsonBodyOptions = {},
): MiddlewareHandler<
  object,
  string,
  { in: { json: InputOf<S> }; out: { json: OutputOf<S> } },
  TypedResponse<Refused, 400 | 413 | 415 | 422, 'json'>
> {
  checkOptions('jsonBody', options, JSON_BODY)
  const { maxBodyBytes = MAX_BODY_BYTES } = options
  return async (c, next) => {
    const tooLarge = await limited(c, maxBodyBytes)
    const checked = tooLarge ? { refused: tooLarge } : await bodyOf(c, schema)
    if ('refused' in checked) return checked.refused as Response & TypedResponse<Refused, 400 | 413 | 415 | 422, 'json'> // as bodyOf answers
    c.req.addValidatedData('json', checked.value as object)
    await next()
    return undefined as never
  }
}

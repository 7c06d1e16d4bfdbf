import type { $ZodType } from 'zod/v4/core'

/**
 * A schema of zod (4.1 and later), or of any library that speaks Standard Schema (standardschema.dev).
 * `Out` is the code side: what handlers get and publishers give. Of zod that is `z.output`; other libraries validate on both sides
 * and must not transform, since what a publisher's transformation made would be transformed again by every handler: `codec` is for those.
 */
export interface Schema<Out = unknown> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => StandardResult<Out> | Promise<StandardResult<Out>>
    readonly types?: { readonly input: unknown; readonly output: Out } | undefined
  }
}

export type StandardResult<Out> = { readonly value: Out; readonly issues?: undefined } | { readonly issues: readonly Issue[] }

export interface Issue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** The two ways through a schema. Both throw CorebusError PAYLOAD_INVALID for what does not fit, SCHEMA_ASYNC when it cannot answer at once. */
export interface Wire<Out> {
  /** From the code side to plain data for JSON, without the fields the schema does not know. */
  encode(value: unknown): unknown
  /** From parsed JSON to the code side. */
  decode(wire: unknown): Out
}

export function isSchema(value: unknown): value is Schema {
  return ((typeof value === 'object' && value !== null) || typeof value === 'function') && ('_zod' in value || '~standard' in value)
}

/** Zod's own marker, on its classic and mini schemas alike. */
export function isZod<Out>(schema: object): schema is $ZodType<Out, unknown> {
  return '_zod' in schema
}

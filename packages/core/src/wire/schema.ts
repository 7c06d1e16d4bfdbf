import { type $ZodType, safeDecode, safeEncode } from 'zod/v4/core'
import { asError, CorebusError } from '../errors.ts'

/**
 * A schema of zod (4.1 and later), or of any library that speaks Standard Schema (standardschema.dev).
 * `Out` is the code side: what handlers get and publishers give. Of zod that is `z.output`; other libraries validate on both sides
 * and must not transform, since what a publisher's transformation made would be transformed again by every handler.
 */
export interface Schema<Out = unknown> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => StandardResult<Out> | Promise<StandardResult<Out>>
    readonly types?: { readonly input: unknown; readonly output: Out } | undefined
  }
}

type StandardResult<Out> = { readonly value: Out; readonly issues?: undefined } | { readonly issues: readonly Issue[] }

interface Issue {
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

const MOST_ISSUES = 5

export function wireOf<Out>(schema: Schema<Out>): Wire<Out> {
  if (isZod<Out>(schema)) {
    return {
      encode: (value) => checked(() => safeEncode(schema, value as Out)),
      decode: (wire) => checked(() => safeDecode(schema, wire)),
    }
  }
  const validate = (value: unknown): Out => checked(() => validated(schema, value))
  return { encode: validate, decode: validate }
}

export function isSchema(value: unknown): value is Schema {
  return ((typeof value === 'object' && value !== null) || typeof value === 'function') && ('_zod' in value || '~standard' in value)
}

/** Zod's own marker, on its classic and mini schemas alike. */
export function isZod<Out>(schema: object): schema is $ZodType<Out, unknown> {
  return '_zod' in schema
}

type Result<Out> =
  | { readonly success: true; readonly data: Out }
  | { readonly success: false; readonly error: { readonly issues: readonly Issue[] } }

function checked<Out>(run: () => Result<Out>): Out {
  let result: Result<Out>
  try {
    result = run()
  } catch (cause) {
    if (cause instanceof CorebusError) throw cause
    if (isAsync(cause)) throw asyncSchema(cause)
    const why = asError(cause).message
    throw new CorebusError('PAYLOAD_INVALID', `the payload does not fit its schema: ${why}`, { cause })
  }
  if (result.success) return result.data
  throw new CorebusError('PAYLOAD_INVALID', `the payload does not fit its schema: ${listed(result.error.issues)}`, { cause: result.error })
}

function validated<Out>(schema: Schema<Out>, value: unknown): Result<Out> {
  const result = schema['~standard'].validate(value)
  if (result instanceof Promise) {
    // Nobody waits for it any more, so its rejection must not end the process.
    result.catch(() => undefined)
    throw asyncSchema()
  }
  return result.issues
    ? { success: false, error: Object.assign(new Error(listed(result.issues)), result) }
    : { success: true, data: result.value }
}

// By name, because a schema made by the CommonJS build of zod throws that build's class.
function isAsync(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.constructor.name === '$ZodAsyncError'
}

function asyncSchema(cause?: unknown): CorebusError {
  return new CorebusError(
    'SCHEMA_ASYNC',
    'the schema validates asynchronously, and messages are validated in one step: do in the handler what has to wait',
    {
      cause,
    },
  )
}

function listed(issues: readonly Issue[]): string {
  const lines = issues.slice(0, MOST_ISSUES).map(({ message, path }) => (path?.length ? `${pathOf(path)}: ${message}` : message))
  return lines.join('; ') + (issues.length > MOST_ISSUES ? `; and ${issues.length - MOST_ISSUES} more` : '')
}

function pathOf(path: NonNullable<Issue['path']>): string {
  return path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
}

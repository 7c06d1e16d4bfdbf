import { asError, CorebusError } from '../errors.ts'
import { isThenable } from '../process/thenable.ts'
import type { Issue, Schema } from './schema.ts'

export type Result<Out> =
  | { readonly success: true; readonly data: Out }
  | { readonly success: false; readonly error: { readonly issues: readonly Issue[] } }

const MOST_ISSUES = 5

/** What a validation gave. @throws CorebusError PAYLOAD_INVALID with what does not fit, `hint` after it; SCHEMA_ASYNC */
export function checked<Out>(run: () => Result<Out>, hint: () => string = () => ''): Out {
  let result: Result<Out>
  try {
    result = run()
  } catch (cause) {
    if (cause instanceof CorebusError) throw cause
    if (isAsync(cause)) throw asyncSchema(cause)
    const why = asError(cause).message
    throw new CorebusError('PAYLOAD_INVALID', `the payload does not fit its schema: ${why}${hint()}`, { cause })
  }
  if (result.success) return result.data
  const { issues } = result.error
  throw new CorebusError('PAYLOAD_INVALID', `the payload does not fit its schema: ${listed(issues)}${hint()}`, { cause: result.error })
}

/**
 * Asks a library that speaks Standard Schema. What it answers is an interface: an array of another class, getters, more fields than the standard
 * has. So it is read, and never copied.
 */
export function validated<Out>(schema: Schema<Out>, value: unknown): Result<Out> {
  const result: unknown = schema['~standard'].validate(value)
  refuseThenable(result)
  if (typeof result !== 'object' || result === null)
    throw new CorebusError('PAYLOAD_INVALID', `the schema answered ${String(result)}, and no result of Standard Schema`)
  const { issues } = result as { readonly issues?: readonly Issue[] | null }
  if (!issues) return { success: true, data: (result as { readonly value: Out }).value }
  return { success: false, error: Object.assign(new Error(listed(issues)), { issues }) }
}

/** @throws CorebusError SCHEMA_ASYNC for what would have to be waited for */
export function refuseThenable(value: unknown): void {
  if (!isThenable(value)) return
  // Nobody waits for it any more, so its rejection must not end the process.
  value.then(undefined, () => undefined)
  throw asyncSchema()
}

// By name, because a schema made by the CommonJS build of zod throws that build's class.
function isAsync(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.constructor.name === '$ZodAsyncError'
}

function asyncSchema(cause?: unknown): CorebusError {
  return new CorebusError(
    'SCHEMA_ASYNC',
    'the schema validates asynchronously, and messages are validated in one step: do in the handler what has to wait',
    { cause },
  )
}

function listed(issues: readonly Issue[]): string {
  const lines: string[] = []
  for (let i = 0; i < issues.length && i < MOST_ISSUES; i++) {
    const { message, path } = issues[i] as Issue
    lines.push(path?.length ? `${pathOf(path)}: ${message}` : String(message))
  }
  return lines.join('; ') + (issues.length > MOST_ISSUES ? `; and ${issues.length - MOST_ISSUES} more` : '')
}

function pathOf(path: NonNullable<Issue['path']>): string {
  return Array.from(path, (part) => String(typeof part === 'object' ? part.key : part)).join('.')
}

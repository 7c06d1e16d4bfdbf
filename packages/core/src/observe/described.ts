import { asError } from '../errors.ts'
import { redactText } from '../options/redact.ts'
import { bounded, visible } from './readable.ts'

/** All that is logged of an error. Libraries hang requests, responses and configurations with their secrets on theirs: none of it is looked at. */
export interface Described {
  readonly type: string
  readonly message: string
  readonly stack?: string
  readonly code?: string | number
  readonly cause?: Described
  /** Of an AggregateError. */
  readonly errors?: readonly Described[]
}

const MOST_MESSAGE = 2_000
const MOST_STACK = 8_000
const DEEPEST = 5
const MOST_ERRORS = 5
/** What was described here. */
const KNOWN = new WeakSet<object>()

/** What was thrown, for a log line: cut to size, with what looks like a secret hidden and control characters shown. It never throws. */
export function described(thrown: unknown, depth: number = 0): Described {
  // The logger of this package describes what Corebus has described already.
  if (typeof thrown === 'object' && thrown !== null && KNOWN.has(thrown)) return thrown as Described
  const error = asError(thrown)
  const { name, message, stack, cause } = error
  const code: unknown = 'code' in error ? error.code : undefined
  const deeper = depth < DEEPEST
  const errors = deeper && error instanceof AggregateError && Array.isArray(error.errors) ? error.errors.slice(0, MOST_ERRORS) : []
  // Without a prototype: pino's own serialiser would take its type from there.
  const said: Described = Object.assign(Object.create(null), {
    type: told(name, 200),
    message: told(message, MOST_MESSAGE),
    ...(stack !== undefined && { stack: told(stack, MOST_STACK) }),
    ...(typeof code === 'number' && { code }),
    ...(typeof code === 'string' && { code: told(code, 200) }),
    ...(deeper && cause !== undefined && cause !== null && { cause: described(cause, depth + 1) }),
    ...(errors.length > 0 && { errors: errors.map((one) => described(one, depth + 1)) }),
  } satisfies Described)
  KNOWN.add(said)
  return said
}

/** Any text of somebody else's, as a log may have it. */
export function told(text: string, most: number): string {
  // Twice as much, so that the end of a secret that is cut does not make it look like something else.
  return bounded(visible(redactText(text.length > 2 * most ? text.slice(0, 2 * most) : text)), most)
}

import { isProxy } from 'node:util/types'
import type { Delivery } from './driver.ts'

/**
 * How the command is called in errors, help and logs: wherever it is typed. In scripts of package.json it is `core` too; typed in a shell without a local
 * install, `npx core` would run somebody else's package.
 */
export const COMMAND = 'npx corebus'

/** Every error of Corebus: `code` is stable, the message says what happened and what to do. Secrets never appear in it. */
export class CorebusError extends Error {
  override readonly name: string = 'CorebusError'
  readonly code: string
  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}

export interface PublishFailure {
  readonly id: string
  /** Where it is said: messages of one call may share an id in different topics. */
  readonly topic?: string
  /** Trying the same message again cannot help. Otherwise the outcome is unknown: it may be on the broker. */
  readonly permanent: boolean
  readonly cause: Error
}

/** Some messages were not confirmed: `failures` names them; every other message of the call is on the broker. */
export class PublishError extends CorebusError {
  override readonly name = 'PublishError'
  readonly failures: readonly PublishFailure[]
  constructor(failures: readonly PublishFailure[], code = 'PUBLISH_FAILED') {
    const [first] = failures
    const more = failures.length > 1 ? ` and ${failures.length - 1} more` : ''
    super(code, `message ${first?.id}${more} not confirmed: ${first?.cause.message}`, { cause: first?.cause })
    this.failures = failures
  }
}

const MOST_CAUSES = 3

/**
 * What an error says, with what its causes say and it does not: of a failed `fetch` only the cause knows that nobody listened at that address.
 * Never throws.
 */
export function withCauses(error: Error): string {
  const said = [String(error.message)]
  try {
    let cause: unknown = error.cause
    for (let i = 0; i < MOST_CAUSES && cause instanceof Error; i++, cause = cause.cause) {
      // Node tries each address of a name, and says in a list without a message what came of that.
      const one =
        cause.message || (cause instanceof AggregateError ? (cause.errors as Error[]).map(({ message }) => message).join(', ') : '')
      if (one !== '' && !said.some((text) => text.includes(one))) said.push(one)
    }
  } catch {
    // A cause that cannot be read adds nothing.
  }
  return said.join(': ')
}

/** None of them was taken, all for the same reason. */
export function noneTaken(messages: readonly { readonly id: string }[], cause: CorebusError): PublishError {
  return new PublishError(
    messages.map(({ id }) => ({ id, permanent: false, cause })),
    cause.code,
  )
}

/** The copies of `deliveries` (retry, dead letter) could not be stored, or their acknowledgement not sent: they stay unsettled. */
export class SettleError extends CorebusError {
  override readonly name = 'SettleError'
  readonly deliveries: readonly Delivery[]
  /** Those of them whose copy the broker refuses for good, and why. The others may be asked for again. */
  readonly refused: ReadonlyMap<Delivery, Error>
  constructor(deliveries: readonly Delivery[], cause: Error, refused: ReadonlyMap<Delivery, Error> = new Map()) {
    super('SETTLE_FAILED', `${deliveries.length} of the settlements could not be stored: ${cause.message}`, { cause })
    this.deliveries = deliveries
    this.refused = refused
  }
}

/** Thrown by a handler: this message can never be handled. It goes to the dead letters now, without a retry. */
export class Reject extends Error {
  override readonly name = 'Reject'
}

/** Thrown by a handler: not now, and nothing went wrong. The message comes back after the next declared delay of at least `ms`; no attempt is spent. */
export class RetryLater extends Error {
  override readonly name = 'RetryLater'
  readonly ms: number
  constructor(ms: number, message = `again in ${ms} ms`) {
    super(message)
    this.ms = ms
  }
}

/**
 * What was thrown, as an Error that can be read as often as one likes. What a thrown value does when it is looked at (a getter that throws, a
 * proxy that was revoked, a message that is no text) happens here and once; what cannot be read is said to be so.
 */
export function asError(thrown: unknown): Error {
  if (typeof thrown === 'string') return new Error(thrown)
  try {
    if (!(thrown instanceof Error) || isProxy(thrown)) return new Error(`thrown: ${textOf(thrown)}`)
    return isPlain(thrown) ? thrown : copyOf(thrown)
  } catch {
    return new Error('thrown: a value that cannot be read')
  }
}

/** V8's own: it makes the text of a stack when it is first asked for. */
const nativeStack = Object.getOwnPropertyDescriptor(new Error('x'), 'stack')?.get
const TEXTS = ['name', 'message', 'stack']
const READ = [...TEXTS, 'code', 'cause']

function isPlain(error: Error): boolean {
  for (let at: object | null = error; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    if (isProxy(at)) return false
    for (const name of READ) {
      const { get, value } = Object.getOwnPropertyDescriptor(at, name) ?? {}
      if (get && get !== nativeStack) return false
      if (TEXTS.includes(name) && value !== undefined && typeof value !== 'string') return false
    }
  }
  return typeof error.stack === 'string' || error.stack === undefined
}

/** Of the same class, with everything that stood in it; nothing of it runs any more when it is read. */
function copyOf(error: Error): Error {
  const read = (name: string): unknown => {
    try {
      return (error as unknown as Record<string, unknown>)[name]
    } catch {
      return undefined
    }
  }
  const texts = TEXTS.map((name) => [name, read(name)] as const)
  const copy = new Error()
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(error)))
    if (value !== undefined) define(copy, name, value)
  for (const [name, value] of texts)
    define(copy, name, typeof value === 'string' ? value : value === undefined ? `an error whose ${name} cannot be read` : textOf(value))
  for (const name of ['code', 'cause']) define(copy, name, read(name))
  return Object.setPrototypeOf(copy, Object.getPrototypeOf(error))
}

function define(error: Error, name: string, value: unknown): void {
  Object.defineProperty(error, name, { value, writable: true, configurable: true })
}

function textOf(value: unknown): string {
  for (const read of [() => JSON.stringify(value), () => String(value), () => Object.prototype.toString.call(value)])
    try {
      const text: unknown = read()
      if (typeof text === 'string') return text
    } catch {
      // The next way may do.
    }
  return 'a value that cannot be read'
}

import type { Delivery } from './driver.ts'

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
  constructor(deliveries: readonly Delivery[], cause: Error) {
    super('SETTLE_FAILED', `${deliveries.length} of the settlements could not be stored: ${cause.message}`, { cause })
    this.deliveries = deliveries
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

/** What was thrown, as an Error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(typeof thrown === 'string' ? thrown : `thrown: ${safeString(thrown)}`)
}

function safeString(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return Object.prototype.toString.call(value)
  }
}

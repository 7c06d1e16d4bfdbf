import { asError, CorebusError } from '../../errors.ts'
import type { Failure } from '../pending.ts'

/** A channel that the broker closed, in our words. */
export interface Refusal {
  readonly kind: 'missing' | 'forbidden' | 'too large' | 'differs' | 'locked' | 'other'
  readonly error: CorebusError
  /** Whether it can be meant for a message of so many bytes to this exchange, which says that it is of this user. */
  readonly concerns: (exchange: string, bytes: number, userId?: string) => boolean
}

const NO_EXCHANGE = /no exchange '([^']*)'/
const FORBIDDEN_EXCHANGE = /exchange '([^']*)'/
const TOO_LARGE = /message size (\d+)/
const NOT_THIS_USER = /user_id property set to '(.*)' but authenticated user was/
/** A durable queue whose node is just starting, or stopping; a stream that another client is just declaring. Neither is missing. */
const NOT_UP_YET = /is down or inaccessible|does not have a replica on the local node/

/** Undefined when the error is not the broker's word on what was asked: a lost connection, a closed channel, a queue that is not up yet. */
export function refusalOf(thrown: unknown): Refusal | undefined {
  const error = asError(thrown)
  const { message } = error
  const nobody = () => false
  if (NOT_UP_YET.test(message)) return undefined
  switch (codeOf(error)) {
    case 404: {
      const exchange = NO_EXCHANGE.exec(message)?.[1]
      return { kind: 'missing', error: because('NOT_FOUND', error), concerns: (name) => name === exchange }
    }
    case 403: {
      const exchange = FORBIDDEN_EXCHANGE.exec(message)?.[1]
      return { kind: 'forbidden', error: because('ACCESS_REFUSED', error), concerns: (name) => name === exchange || name === '' }
    }
    case 405:
      return { kind: 'locked', error: because('LOCKED', error), concerns: nobody }
    case 406: {
      const size = TOO_LARGE.exec(message)?.[1]
      if (size !== undefined)
        return { kind: 'too large', error: because('TOO_LARGE', error), concerns: (_, bytes) => bytes === Number(size) }
      const user = NOT_THIS_USER.exec(message)?.[1]
      if (user !== undefined)
        return { kind: 'forbidden', error: because('ACCESS_REFUSED', error), concerns: (_, __, userId) => userId === user }
      const kind = /inequivalent arg/.test(message) ? 'differs' : 'other'
      return { kind, error: because('PRECONDITION_FAILED', error), concerns: nobody }
    }
    case undefined:
      return undefined
    default:
      return { kind: 'other', error: because('REFUSED', error), concerns: nobody }
  }
}

function codeOf(error: Error): number | undefined {
  return 'code' in error && typeof error.code === 'number' ? error.code : undefined
}

function because(code: string, error: Error): CorebusError {
  return new CorebusError(code, `RabbitMQ: ${said(error)}`, { cause: error })
}

/** The broker's own words, without what the client puts around them. */
export function said({ message }: Error): string {
  return /with message "(.*)"$/s.exec(message)?.[1] ?? message
}

const PERMANENT: ReadonlySet<string> = new Set(['ACCESS_REFUSED', 'TOO_LARGE', 'NOT_FOUND', 'PRECONDITION_FAILED', 'TOPOLOGY', 'TARGET'])

/** Whether the same message would be refused again. */
export function permanent(error: Error): boolean {
  return error instanceof CorebusError && PERMANENT.has(error.code)
}

/** What the client cannot write: headers beyond its buffer, names or properties beyond 255 bytes. */
export function tooLargeFor(error: Error): CorebusError {
  const why = error instanceof RangeError ? 'its headers are more than the client writes (64 KiB, names up to 255 bytes)' : error.message
  return new CorebusError('TOO_LARGE', `the message cannot be written for RabbitMQ: ${why}. Send less in headers`, { cause: error })
}

export function failureOf(thrown: unknown): Failure {
  const cause = asError(thrown)
  return { permanent: permanent(cause), cause }
}

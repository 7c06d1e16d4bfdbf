import type { Driver, Message } from '../driver.ts'
import { asError, CorebusError } from '../errors.ts'
import type { HandlerPlan, TopicPlan } from '../handlers/plan.ts'
import { isThenable } from '../process/thenable.ts'
import { decodeJson, textOf } from '../wire/envelope.ts'
import type { Call } from './context.ts'
import type { Reason, Verdict } from './outcome.ts'
import { ownBytes, Received } from './received.ts'
import { comesLater } from './thrown.ts'

/** Who handles a message, and with what; or why nobody does. */
export type Found =
  | {
      readonly kind: 'handler'
      readonly plan: HandlerPlan
      readonly input: unknown
      readonly event?: string
      /** As an envelope of others has it; undefined where the message's own holds. */
      readonly id?: string
    }
  /** It is decided, whoever else is in the group. */
  | { readonly kind: 'verdict'; readonly verdict: Verdict; readonly event?: string; readonly plan?: HandlerPlan }
  /** Nobody here; another member of the group may. */
  | { readonly kind: 'nobody'; readonly verdict: Verdict; readonly event?: string }

export type Now<T> = T | Promise<T>

export interface FindOptions {
  /** The driver is asked for what only the broker has of a message. */
  readonly driver?: Pick<Driver, 'raw'> | undefined
}

/** An event that has its handler, checked by its schema. */
export function handled(plan: HandlerPlan, read: { name: string; data: unknown; timestamp: string; source: string; id?: string }): Found {
  const { on } = plan.spec
  const { name, timestamp, source, id } = read
  try {
    const data = on.kind === 'event' && on.type ? on.type.decode(read.data) : read.data
    return { kind: 'handler', plan, input: { name, data, timestamp, source }, event: name, ...(id !== undefined && { id }) }
  } catch (cause) {
    return { ...hopeless('schema', cause), event: name, plan }
  }
}

/** An event that nobody here handles. */
export function unhandled(name: string, unknown: TopicPlan['unknown']): Found {
  const why = `nobody in the group handles event ${name}`
  if (unknown === 'skip') return { kind: 'nobody', verdict: { kind: 'skipped', why }, event: name }
  return { ...nobody('unknown-event', new CorebusError('UNKNOWN_EVENT', why)), event: name }
}

/** Decodes a message for the handler that takes messages as they are. */
export function decoded(call: Call, plan: HandlerPlan, { driver }: FindOptions, json?: unknown): Now<Found> {
  const { on, where } = plan.spec
  if (on.kind !== 'message') throw new Error(`${where} is no message handler`)
  const { decode } = on
  if (typeof decode !== 'function') {
    let input: unknown
    try {
      input = json !== undefined && decode === 'json' ? json : decodedAs(decode, call.message)
    } catch (cause) {
      return { ...hopeless('not-json', cause), plan }
    }
    return fitted(input, plan)
  }
  const { delivery, message } = call
  try {
    const input: unknown = decode(ownBytes(message.body), { ...message.headers }, new Received(delivery, driver))
    if (!isThenable(input)) return fitted(input, plan)
    return Promise.resolve(input).then(
      (value) => fitted(value, plan),
      (thrown: unknown) => undecodable(thrown, plan),
    )
  } catch (thrown) {
    return undecodable(thrown, plan)
  }
}

function decodedAs(decode: 'json' | 'text' | 'bytes', { body }: Message): unknown {
  if (decode === 'bytes') return ownBytes(body)
  return decode === 'json' ? decodeJson(body) : textOf(body, 'the body')
}

function fitted(input: unknown, plan: HandlerPlan): Found {
  const { on } = plan.spec
  try {
    return { kind: 'handler', plan, input: on.kind === 'message' && on.wire ? on.wire.decode(input) : input }
  } catch (cause) {
    return { ...hopeless('schema', cause), plan }
  }
}

function undecodable(thrown: unknown, plan: HandlerPlan): Found {
  const cause = asError(thrown)
  const error = new CorebusError('DECODE', `decode of ${plan.spec.where} failed: ${cause.message}`, { cause })
  return { ...unreadable(cause, 'decode', error), plan }
}

/** What a function of the user's could not read, unless it asks for the message again later. */
export function unreadable(thrown: Error, reason: Reason, error: CorebusError): Extract<Found, { kind: 'verdict' }> {
  return { kind: 'verdict', verdict: comesLater(thrown) ?? { kind: 'hopeless', reason, error } }
}

export function hopeless(reason: Reason, cause: unknown): Extract<Found, { kind: 'verdict' }> {
  return { kind: 'verdict', verdict: { kind: 'hopeless', reason, error: asError(cause) } }
}

export function nobody(reason: Reason, cause: unknown): Extract<Found, { kind: 'nobody' }> {
  return { kind: 'nobody', verdict: { kind: 'hopeless', reason, error: asError(cause) } }
}

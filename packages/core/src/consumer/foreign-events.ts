import { asError, CorebusError } from '../errors.ts'
import type { TopicPlan } from '../handlers/plan.ts'
import { isThenable } from '../process/thenable.ts'
import type { EnvelopeIn, EventRead } from '../wire/foreign-envelope.ts'
import type { Call } from './context.ts'
import { decoded, type FindOptions, type Found, handled, type Now, nobody, unhandled, unreadable } from './found.ts'
import { Received } from './received.ts'

/** The event that a message of others is, by the envelope of its topic. Never rejects. */
export function readThrough(read: EnvelopeIn, call: Call, topic: TopicPlan, options: FindOptions): Now<Found> {
  let event: unknown
  try {
    event = read(new Received(call.delivery, options.driver))
  } catch (thrown) {
    return failed(thrown, topic)
  }
  if (!isThenable(event)) return found(event, call, topic, options)
  return Promise.resolve(event).then(
    (one) => found(one, call, topic, options),
    (thrown: unknown) => failed(thrown, topic),
  )
}

function found(event: unknown, call: Call, topic: TopicPlan, options: FindOptions): Now<Found> {
  const { events, rest } = topic
  if (event === undefined || event === null) return rest ? decoded(call, rest, options) : notMine(topic, options.unknown)
  const wrong = wrongWith(event)
  if (wrong !== undefined) return failed(new TypeError(wrong), topic)
  const { name, data, id, timestamp = '', source = '' } = event as EventRead
  const plan = events.get(name)
  if (!plan) return rest ? decoded(call, rest, options) : unhandled(name, options.unknown)
  return handled(plan, { name, data, timestamp, source, ...(id !== undefined && id !== '' && { id }) })
}

/** Skipped as an event that nobody handles: it is somebody else's message. */
function notMine({ topic }: TopicPlan, unknown: FindOptions['unknown']): Found {
  const why = `the envelope (in) of topic ${topic} says that it is not one of ours`
  if (unknown === 'skip') return { kind: 'nobody', verdict: { kind: 'skipped', why } }
  return nobody('not-an-event', new CorebusError('NOT_AN_EVENT', why))
}

function wrongWith(event: unknown): string | undefined {
  const form = '{ name, data, id?, timestamp?, source? }, or undefined for what is not one of ours'
  if (typeof event !== 'object' || event === null) return `it returned ${typeof event} and must return ${form}`
  const { name, ...rest } = event as Record<string, unknown>
  if (typeof name !== 'string' || name === '') return `it returned no name, and must return ${form}`
  if (!('data' in rest)) return `it returned no data for ${name}, and must return ${form}`
  const wrong = (['id', 'timestamp', 'source'] as const).find((field) => rest[field] !== undefined && typeof rest[field] !== 'string')
  return wrong && `it returned ${wrong} as ${typeof rest[wrong]} for ${name}, which must be a string`
}

function failed(thrown: unknown, { topic }: TopicPlan): Found {
  const why = `the envelope (in) of topic ${topic} failed: ${asError(thrown).message}`
  return unreadable(thrown, 'envelope', new CorebusError('ENVELOPE', why, { cause: thrown }))
}

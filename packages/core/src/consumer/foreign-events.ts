import { asError, CorebusError } from '../errors.ts'
import type { TopicPlan } from '../handlers/plan.ts'
import { isThenable } from '../process/thenable.ts'
import type { EnvelopeIn, EventRead } from '../wire/foreign-envelope.ts'
import type { Call } from './context.ts'
import { decoded, type FindOptions, type Found, handled, type Now, nobody, unhandled, unreadable } from './found.ts'
import { Received } from './received.ts'

/** The event that a message of others is, by the envelope of its topic. Never throws and never rejects, whatever it returns. */
export function readThrough(read: EnvelopeIn, call: Call, topic: TopicPlan, options: FindOptions): Now<Found> {
  try {
    const event: unknown = read(new Received(call.delivery, options.driver))
    if (!isThenable(event)) return found(event, call, topic, options)
    return Promise.resolve(event)
      .then((one) => found(one, call, topic, options))
      .catch((thrown: unknown) => failed(thrown, topic))
  } catch (thrown) {
    return failed(thrown, topic)
  }
}

/** @throws TypeError for what is no event, and whatever its getters throw */
function found(event: unknown, call: Call, topic: TopicPlan, options: FindOptions): Now<Found> {
  const { events, rest } = topic
  if (event === undefined || event === null) return rest ? decoded(call, rest, options) : notMine(topic)
  const read = eventRead(event)
  const plan = events.get(read.name)
  if (!plan) return rest ? decoded(call, rest, options) : unhandled(read.name, topic.unknown)
  return handled(plan, read)
}

/** The verdict on somebody else's message: the same as on an event that nobody handles. */
function notMine({ topic, unknown }: TopicPlan): Found {
  const why = `the envelope (in) of topic ${topic} says that it is not one of ours`
  if (unknown === 'skip') return { kind: 'nobody', verdict: { kind: 'skipped', why } }
  return nobody('not-an-event', new CorebusError('UNKNOWN_EVENT', why))
}

/** Each field is read once. @throws TypeError saying what is wrong with it */
function eventRead(event: unknown): Parameters<typeof handled>[1] {
  const form = '{ name, data, id?, timestamp?, source? }, or undefined for what is not one of ours'
  if (typeof event !== 'object' || event === null) throw new TypeError(`it returned ${typeof event} and must return ${form}`)
  const { name, id = '', timestamp = '', source = '' } = event as Record<keyof EventRead, unknown>
  if (typeof name !== 'string' || name === '') throw new TypeError(`it returned no name, and must return ${form}`)
  if (!('data' in event)) throw new TypeError(`it returned no data for ${name}, and must return ${form}`)
  const text = (field: string, value: unknown): string => {
    if (typeof value === 'string') return value
    throw new TypeError(`it returned ${field} as ${typeof value} for ${name}, which must be a string`)
  }
  const said = text('id', id)
  return {
    name,
    data: event.data,
    timestamp: text('timestamp', timestamp),
    source: text('source', source),
    ...(said !== '' && { id: said }),
  }
}

function failed(thrown: unknown, { topic }: TopicPlan): Found {
  const cause = asError(thrown)
  return unreadable(
    cause,
    'envelope',
    new CorebusError('ENVELOPE', `the envelope (in) of topic ${topic} failed: ${cause.message}`, { cause }),
  )
}

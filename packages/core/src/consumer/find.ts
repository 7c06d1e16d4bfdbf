import { asError, CorebusError } from '../errors.ts'
import type { TopicPlan } from '../handlers/plan.ts'
import { decodeJson, isEnvelope, wrongIn } from '../wire/envelope.ts'
import type { Call } from './context.ts'
import { readThrough } from './foreign-events.ts'
import { decoded, type FindOptions, type Found, handled, hopeless, type Now, nobody, unhandled } from './found.ts'

/** Reads it as far as the group needs to know whose it is, and for that handler to its schema. At once, unless a decoder or an envelope waits. Never rejects. */
export function find(call: Call, topic: TopicPlan, options: FindOptions): Now<Found> {
  const { message } = call
  const { events, rest } = topic
  if (message.unreadable !== undefined) return hopeless('not-json', new CorebusError('CODEC', message.unreadable))
  if (message.tombstone) return rest ? { kind: 'handler', plan: rest, input: null } : nobodysTombstone(topic)
  if (events.size === 0 && rest) return decoded(call, rest, options)
  if (topic.envelope?.in) return readThrough(topic.envelope.in, call, topic, options)

  let body: unknown
  try {
    body = decodeJson(message.body)
  } catch (cause) {
    return rest ? decoded(call, rest, options) : nobody('not-json', notAnEvent(asError(cause).message, cause))
  }
  if (!isEnvelope(body)) {
    if (rest) return decoded(call, rest, options, body)
    return nobody('not-an-event', notAnEvent('it lacks a name or data, and the group has no messageHandler for it'))
  }
  const plan = events.get(body.name)
  if (!plan) return rest ? decoded(call, rest, options, body) : unhandled(body.name, topic.unknown)
  const wrong = wrongIn(body)
  if (wrong) return { ...hopeless('not-an-event', notAnEvent(wrong)), event: body.name, plan }
  return handled(plan, body)
}

/** Elsewhere a tombstone says that its key is over, which a log keeps. In a queue of others it is a message of theirs, and the only copy. */
function nobodysTombstone({ source, unknown }: TopicPlan): Found {
  const why = 'a tombstone, and the group has no messageHandler for it'
  if (unknown === 'deadLetter' && source && 'queue' in source) return nobody('unknown-event', new CorebusError('UNKNOWN_EVENT', why))
  return { kind: 'nobody', verdict: { kind: 'skipped', why } }
}

function notAnEvent(why: string, cause?: unknown): CorebusError {
  return new CorebusError('NOT_AN_EVENT', `the body is no event: ${why}`, { cause })
}

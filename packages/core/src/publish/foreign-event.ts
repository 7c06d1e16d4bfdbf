import { asError, CorebusError } from '../errors.ts'
import { mistakesIn } from '../options/check.ts'
import { given, isObject, type Option } from '../options/option.ts'
import { isThenable } from '../process/thenable.ts'
import { SEND, type SendOptions } from '../scope/publishing.ts'
import { encodeJson } from '../wire/envelope.ts'
import type { EventType } from '../wire/event-type.ts'
import type { EnvelopeOut, EventToWrite, Written } from '../wire/foreign-envelope.ts'
import { configuredEnvelope, contradicts, ownEnvelope } from '../wire/topic-formats.ts'
import type { Content, OutgoingDefaults } from './outgoing.ts'

/** What an `out` returns. Fields are checked as those are that a call or a topic says. */
const WRITTEN: Readonly<Record<keyof Written, Option>> = {
  body: { default: 'none', must: given(() => true, ''), text: 'bytes and text as they are, anything else as JSON' },
  headers: SEND.headers,
  properties: SEND.properties,
  fields: { default: 'none', must: given(() => true, ''), text: 'Redis: what the entry holds' },
  key: SEND.key,
}

/**
 * Who writes the events of a topic; undefined where they travel as ours do.
 * @throws CorebusError NO_OUT where its envelope only reads, ENVELOPE where event and topic, or two events of one topic, name different ones
 */
export function outFor(
  type: EventType<string, unknown> | string,
  topic: string,
  { formats, enveloped }: Pick<OutgoingDefaults, 'formats' | 'enveloped'>,
): EnvelopeOut | undefined {
  const own = ownEnvelope(type)
  if (!own && !formats && !enveloped?.size) return undefined
  const name = typeof type === 'string' ? type : type.name
  if (contradicts(own, topic, formats))
    throw new CorebusError(
      'ENVELOPE',
      `event ${name} names another envelope (in, out) than topology.topics["${topic}"]. Name one of the two`,
    )
  const envelope = own ?? configuredEnvelope(topic, formats)
  if (envelope && !envelope.out)
    throw new CorebusError(
      'NO_OUT',
      `event ${name} cannot be published to ${topic}: its envelope has in and no out, so it is only read. Give it an out, or publish the message as it is with getProducer().send`,
    )
  const other = enveloped?.get(topic)
  if (other && other.out !== envelope?.out)
    throw new CorebusError(
      'ENVELOPE',
      `event ${name} would travel on ${topic} ${envelope ? 'in another envelope than' : 'as Corebus writes events, and not in the envelope of'} event ${other.name}, which was published there: ` +
        `who reads one of them cannot read the other. Name the same out in both, or in topology.topics["${topic}"]`,
    )
  if (own && !other && typeof type !== 'string') enveloped?.set(topic, type)
  return envelope?.out
}

/** What an event is on the wire of others, and what has to be said of its message. @throws CorebusError ENVELOPE */
export function writtenBy(out: EnvelopeOut, event: EventToWrite, options: SendOptions): { content: Content; options: SendOptions } {
  const what = `the envelope (out) of event ${event.name}`
  // Most formats would leave it out, and their readers would find no data.
  if (event.data === undefined)
    throw new CorebusError('PAYLOAD_NOT_JSON', `the data of event ${event.name} cannot be written: it is undefined. Send plain data`)
  let written: unknown
  try {
    written = out(event)
  } catch (cause) {
    throw new CorebusError('ENVELOPE', `${what} failed: ${asError(cause).message}`, { cause })
  }
  if (isThenable(written)) {
    written.then(undefined, () => undefined) // nobody waits for it
    throw new CorebusError('ENVELOPE', `${what} returned a promise: events are written in one step, so it must answer at once`)
  }
  if (!isObject(written) || written.body === undefined)
    throw new CorebusError('ENVELOPE', `${what} must return { body, headers?, properties?, fields?, key? }, with a body`)
  const { body, headers, properties, fields, key } = written as unknown as Written
  const { mistakes } = mistakesIn(written, WRITTEN)
  if (mistakes.length > 0) throw new CorebusError('ENVELOPE', `${what} returned what no message can have: ${mistakes.join('; ')}`)
  return {
    content: { ...contentOf(body, what), fields },
    options: {
      ...options,
      ...(key !== undefined && { key }),
      ...(headers && { headers: { ...headers, ...options.headers } }),
      ...(properties && { properties: { ...properties, ...options.properties } }),
    },
  }
}

function contentOf(body: unknown, what: string): Content {
  if (body instanceof Uint8Array) return { body, kind: 'bytes' }
  if (typeof body === 'string') return { body: new TextEncoder().encode(body), kind: 'bytes' }
  return { body: encodeJson(body, `the body of ${what}`), kind: 'json' }
}

import type { Message } from '../driver.ts'
import { CorebusError } from '../errors.ts'
import { checkOptions } from '../options/check.ts'
import type { Options } from '../options/option.ts'
import { EVENT, type EventOptions, type PublishEventOptions, SEND, type SendOptions } from '../scope/publishing.ts'
import { encodeEnvelope, encodeJson } from '../wire/envelope.ts'
import { checkEventType, type EventType } from '../wire/event-type.ts'
import type { EnvelopeOut } from '../wire/foreign-envelope.ts'
import { newId } from '../wire/id.ts'
import { outFor, writtenBy } from './foreign-event.ts'
import { type OutgoingDefaults, outgoing } from './outgoing.ts'

export { type OutgoingDefaults, sizeOf } from './outgoing.ts'

/** The message of an event. @throws CorebusError for whatever does not fit: the topic, the schema, the key, the size. */
export function eventMessage(
  type: EventType<string, unknown> | string,
  data: unknown,
  options: EventOptions,
  defaults: OutgoingDefaults,
): Message {
  if (typeof type !== 'string') checkEventType(type, 'a publish')
  const name = typeof type === 'string' ? type : type.name
  checkSaid(`event ${name}`, options, EVENT)
  const topic = options.topic ?? (typeof type === 'string' ? undefined : type.topic) ?? defaults.defaultTopic
  if (topic === undefined)
    throw new CorebusError(
      'TOPIC_MISSING',
      `event ${name} has no topic: give { topic } here or to defineEvent, or set defaultTopic or MESSAGING_DEFAULT_TOPIC`,
    )
  const wire = typeof type === 'string' ? data : encoded(type, data)
  const key = options.key ?? (typeof type !== 'string' && type.key !== undefined ? keyOf(wire, type.key, name) : undefined)
  const out = outFor(type, topic, defaults)
  if (out) return foreignMessage(out, topic, { name, data: wire, key, options }, defaults)
  const body = encodeEnvelope(name, wire, defaults.service, defaults.now(), typeof type !== 'string')
  return { ...outgoing(`event ${name}`, topic, { body, kind: 'json' }, { ...options, key }, defaults), event: name }
}

/** As others write it. */
function foreignMessage(
  out: EnvelopeOut,
  topic: string,
  { name, data, key, options }: { name: string; data: unknown; key: string | number | undefined; options: EventOptions },
  defaults: OutgoingDefaults,
): Message {
  const { headers = {} } = options
  const id = options.id ?? newId(defaults.now())
  const timestamp = new Date(defaults.now()).toISOString()
  const event = { name, data, id, timestamp, source: defaults.service, key: key === undefined ? undefined : String(key), headers }
  const { content, options: said } = writtenBy(out, event, { ...options, id, key })
  return { ...outgoing(`event ${name}`, topic, content, said, defaults), event: name }
}

function encoded(type: EventType<string, unknown>, data: unknown): unknown {
  try {
    return type.encode(data)
  } catch (cause) {
    if (!(cause instanceof CorebusError)) throw cause
    throw new CorebusError(cause.code, `event ${type.name}: ${cause.message}`, { cause })
  }
}

/** The value of the key field, as the key of the message. @throws CorebusError KEY_MISSING when the data lacks it. */
export function keyOf(data: unknown, field: string, name: string): string | number {
  const value =
    typeof data === 'object' && data !== null && Object.hasOwn(data, field) ? (data as Record<string, unknown>)[field] : undefined
  if (typeof value === 'string' || typeof value === 'number') return value
  throw new CorebusError(
    'KEY_MISSING',
    `event ${name}: its key field "${field}" must be a string or a number in the data, and is ${value === undefined ? 'missing' : JSON.stringify(value)}`,
  )
}

/** `null` is a tombstone, bytes go as they are, anything else as JSON. */
export function plainMessage(topic: string, message: unknown, options: SendOptions, defaults: OutgoingDefaults): Message {
  checkSaid(`send to ${topic}`, options, SEND)
  if (message === null) {
    if (options.key === undefined) throw new CorebusError('KEY_MISSING', `a tombstone for ${topic} needs a key: send(topic, null, { key })`)
    return outgoing('a tombstone', topic, { body: new Uint8Array(), kind: 'tombstone' }, options, defaults)
  }
  if (message instanceof Uint8Array) return outgoing('a message', topic, { body: message, kind: 'bytes' }, options, defaults)
  return outgoing('a message', topic, { body: encodeJson(message, `the message for ${topic}`), kind: 'json' }, options, defaults)
}

/** What is no text. */
const RARE: ReadonlySet<string> = new Set<keyof PublishEventOptions>(['properties', 'fields', 'delayMs', 'at', 'tx'])

/** It comes with every message, and is nearly always a few strings and a number: the whole check is made where it is not. */
function checkSaid(where: string, options: EventOptions, known: Options): void {
  for (const name in options) {
    const value: unknown = options[name as keyof EventOptions]
    const type = typeof value
    const isUsual = name === 'headers' ? type === 'object' : (type === 'string' && !RARE.has(name)) || (name === 'key' && type === 'number')
    if (Object.hasOwn(known, name) && (isUsual || value === undefined)) continue
    checkOptions(where, options, known)
    return
  }
  if (typeof options !== 'object' || options === null) checkOptions(where, options, known)
}

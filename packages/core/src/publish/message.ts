import type { Message } from '../driver.ts'
import { CorebusError } from '../errors.ts'
import { checkOptions } from '../options/check.ts'
import type { Options } from '../options/option.ts'
import { EVENT, type EventOptions, SEND, type SendOptions } from '../scope/publishing.ts'
import { currentScope } from '../scope/scope.ts'
import { encodeEnvelope, encodeJson } from '../wire/envelope.ts'
import { checkEventType, type EventType } from '../wire/event-type.ts'
import { HEADER, RESERVED_PREFIX } from '../wire/headers.ts'
import { LONGEST_ID, newId } from '../wire/id.ts'
import { checkName } from '../wire/names.ts'
export interface OutgoingDefaults {
  readonly service: string
  readonly defaultTopic?: string | undefined
  readonly maxBytes: number
  now(): number
}

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
  const body = encodeEnvelope(name, wire, defaults.service, defaults.now(), typeof type !== 'string')
  return { ...outgoing(`event ${name}`, topic, body, { ...options, key }, defaults), event: name }
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
    return outgoing('a tombstone', topic, new Uint8Array(), options, defaults, 'tombstone')
  }
  if (message instanceof Uint8Array) return outgoing('a message', topic, message, options, defaults, 'bytes')
  return outgoing('a message', topic, encodeJson(message, `the message for ${topic}`), options, defaults)
}

function outgoing(
  what: string,
  topic: string,
  body: Uint8Array,
  { key, headers, id, correlationId }: SendOptions,
  { maxBytes, now }: OutgoingDefaults,
  kind: 'json' | 'bytes' | 'tombstone' = 'json',
): Message {
  checkName('topic', topic)
  if (typeof key === 'number' && !Number.isFinite(key)) throw new CorebusError('KEY_MISSING', `${what} for ${topic}: its key is ${key}`)
  checkIds(what, topic, { id, correlationId })
  const scope = currentScope()
  const messageId = id ?? newId(now())
  const all: Record<string, string> = { ...headers }
  if (headers) checkHeaders(headers, topic)
  if (kind === 'json' && !(headers && saysContentType(headers))) all[HEADER.contentType] = 'application/json'
  all[HEADER.correlation] = correlationId ?? scope?.correlationId ?? messageId
  if (scope?.causationId !== undefined) all[HEADER.causation] = scope.causationId
  const message: Message = {
    id: messageId,
    topic,
    ...(key !== undefined && { key: String(key) }),
    headers: all,
    body,
    ...(kind === 'tombstone' && { tombstone: true as const }),
  }
  const bytes = sizeOf(message)
  if (bytes > maxBytes)
    throw new CorebusError(
      'TOO_LARGE',
      `${what} for ${topic} has ${bytes} bytes, at most ${maxBytes} are allowed (maxBytes). Send a reference to the data instead`,
    )
  return message
}

/** It comes with every message, and is nearly always a few strings and a number: the whole check is made where it is not. */
function checkSaid(where: string, options: EventOptions, known: Options): void {
  for (const name in options) {
    const value: unknown = options[name as keyof EventOptions]
    const type = typeof value
    const isUsual = name === 'headers' ? type === 'object' : type === 'string' || (name === 'key' && type === 'number')
    if (Object.hasOwn(known, name) && (isUsual || value === undefined)) continue
    checkOptions(where, options, known)
    return
  }
  if (typeof options !== 'object' || options === null) checkOptions(where, options, known)
}

function checkIds(what: string, topic: string, ids: Pick<SendOptions, 'id' | 'correlationId'>): void {
  for (const name of ['id', 'correlationId'] as const) {
    const length = ids[name]?.length ?? 0
    if (length > LONGEST_ID)
      throw new CorebusError('TOO_LARGE', `${what} for ${topic}: its ${name} has ${length} characters, at most ${LONGEST_ID} are possible`)
  }
}

function saysContentType(headers: Readonly<Record<string, string>>): boolean {
  return Object.keys(headers).some((name) => name.toLowerCase() === HEADER.contentType)
}

function checkHeaders(headers: Readonly<Record<string, string>>, topic: string): void {
  for (const [name, value] of Object.entries(headers)) {
    if (name.toLowerCase().startsWith(RESERVED_PREFIX))
      throw new CorebusError(
        'HEADER_RESERVED',
        `header "${name}" for ${topic}: names beginning with ${RESERVED_PREFIX} are Corebus's own, choose another`,
      )
    if (name === '' || typeof value !== 'string')
      throw new CorebusError('HEADER', `header "${name}" for ${topic} must have a name and a string as its value`)
  }
}

/** Body, key and headers, in bytes. */
export function sizeOf({ body, key, headers }: Message): number {
  let bytes = body.byteLength
  if (key !== undefined) bytes += Buffer.byteLength(key)
  for (const name in headers) bytes += Buffer.byteLength(name) + Buffer.byteLength(headers[name] as string)
  return bytes
}

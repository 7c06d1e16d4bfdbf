import { isUint8Array } from 'node:util/types'
import type { ConsumeMessage, GetMessage, MessageProperties, Options } from 'amqplib'
import type { Message, Properties } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { setHeader } from '../headers.ts'

/** What the broker handed out, with every property and header as its author wrote it. */
export type Raw = ConsumeMessage | GetMessage

/** What is published: bytes and everything beside them. */
export interface Outgoing {
  /** Of a message that a user has published; a copy is told by its place. */
  readonly id?: string
  readonly body: Buffer
  readonly properties: Options.Publish
}

export type Headers = Readonly<Record<string, unknown>>

/** Ours, beside those of the core. */
export const OURS = {
  id: 'corebus-id',
  key: 'corebus-key',
  tombstone: 'corebus-tombstone',
  /** Of a dead letter: when it was stored, for which group and topic, and until when it is kept. */
  deadAt: 'corebus-dead-at',
  deadTopic: 'corebus-dead-topic',
  deadGroup: 'corebus-dead-group',
  deadUntil: 'corebus-dead-until',
  /** Of a copy that waits: which delay it waits in. */
  delay: 'corebus-delay',
  /** Of a copy: where it was published the first time. */
  exchange: 'corebus-amqp-exchange',
  routingKey: 'corebus-amqp-routing-key',
  /** Properties that a copy cannot carry as such: the broker would drop it early, or refuse it as another user's. */
  expiration: 'corebus-amqp-expiration',
  userId: 'corebus-amqp-user-id',
} as const
export const HIDDEN: ReadonlySet<string> = new Set(Object.values(OURS))

/** Headers the broker acts upon or writes itself. A user's header of such a name travels under another. */
export const BROKERS: RegExp = /^(CC|BCC|x-(death|first-death-.*|last-death-.*|delivery-count|acquired-count|stream-.*))$/
/** Written by the broker. `CC` is its author's, and every copy has it under another name. */
export function isBrokers(name: string): boolean {
  return name !== 'CC' && BROKERS.test(name)
}
export const ESCAPED = 'corebus-header-'
const CONTENT_TYPE = 'content-type'
/** The client writes 64 KiB. The rest is for whoever fails to handle a message, to say why. */
const MOST_HEADER_BYTES = 48 * 1024
const LONGEST_SHORT_STRING_BYTES = 255
/** RabbitMQ closes the channel that publishes it without such a consumer, with all that was in flight. */
const DIRECT_REPLY_TO = 'amq.rabbitmq.reply-to'

/** @throws CorebusError TOO_LARGE, TARGET. The layout on the wire: the body as it is, `message-id`, `content-type`, `timestamp` and `type` (the event's name) as properties, everything else as headers. */
export function toAmqp(message: Message, now: number): Outgoing {
  const { id, key, headers, body, tombstone, event, target } = message
  checkLength('exchange', target?.exchange)
  checkLength('routingKey', target?.routingKey)
  const table: Record<string, string> = {}
  for (const name in headers) table[BROKERS.test(name) ? ESCAPED + name : name] = headers[name] as string
  const properties: Options.Publish = { mandatory: true, headers: table, deliveryMode: 2, timestamp: Math.floor(now / 1_000) }
  const contentType = headers[CONTENT_TYPE]
  if (contentType !== undefined && isShort(contentType)) {
    properties.contentType = contentType
    delete table[CONTENT_TYPE]
  }
  // For people and other programs: the body says it too, so one too long for the property is left out.
  if (event !== undefined && isShort(event)) properties.type = event
  if (key !== undefined) table[OURS.key] = key
  if (tombstone) table[OURS.tombstone] = 'true'
  if (isShort(id)) properties.messageId = id
  else table[OURS.id] = id
  if (message.properties) Object.assign(properties, amqpProperties(message.properties, target !== undefined))
  const bytes = headerBytes(table)
  if (bytes > MOST_HEADER_BYTES)
    throw new CorebusError('TOO_LARGE', `its headers have ${bytes} bytes, on RabbitMQ at most ${MOST_HEADER_BYTES} are possible`)
  return { id, body: Buffer.from(body.buffer, body.byteOffset, body.byteLength), properties }
}

/** What a user says of the message is laid over what we would say. AMQP keeps seconds. */
function amqpProperties({ timestamp, expiration, priority, ...others }: Properties, hasTarget: boolean): Options.Publish {
  if (!hasTarget && (expiration !== undefined || priority !== undefined))
    throw new CorebusError(
      'TARGET',
      'expiration and priority go with { exchange }: in a topic of ours a message that expires would be lost',
    )
  if (others.replyTo === DIRECT_REPLY_TO)
    throw new CorebusError(
      'TARGET',
      `replyTo ${DIRECT_REPLY_TO} is for a client that consumes answers on the channel it publishes on, which Corebus does not: name a queue`,
    )
  const said: Options.Publish = {}
  for (const [name, value] of Object.entries(others)) {
    if (value === undefined) continue
    checkLength(`properties.${name}`, value)
    Object.assign(said, { [name]: value })
  }
  if (timestamp !== undefined) said.timestamp = Math.floor(timestamp / 1_000)
  if (expiration !== undefined) said.expiration = String(Math.max(Math.round(expiration), 0))
  if (priority !== undefined) said.priority = priority
  return said
}

/** The client would throw a RangeError when it writes, in the middle of other messages. @throws CorebusError TOO_LARGE */
function checkLength(name: string, text = ''): void {
  if (isShort(text)) return
  const bytes = Buffer.byteLength(text)
  throw new CorebusError(
    'TOO_LARGE',
    `${name} has ${bytes} bytes, and AMQP has room for ${LONGEST_SHORT_STRING_BYTES}: make it shorter, or send it as a header`,
  )
}

function isShort(text: string): boolean {
  return text.length * 3 <= LONGEST_SHORT_STRING_BYTES || Buffer.byteLength(text) <= LONGEST_SHORT_STRING_BYTES
}

/**
 * The client sets what it reads as it comes: a header `__proto__` is its table's prototype by then. What a table has of its own are its headers, and
 * the same of the tables in it.
 */
export function headersOf({ headers }: { readonly headers?: unknown }): Headers {
  if (typeof headers !== 'object' || headers === null) return {}
  const own: Record<string, unknown> = { ...headers }
  for (const name in own) if (typeof own[name] === 'object') setHeader(own, name, plain(own[name]))
  return own
}

function plain(value: unknown): unknown {
  // `Buffer.isBuffer` would ask for the prototype, which may be a Buffer here.
  if (typeof value !== 'object' || value === null || isUint8Array(value)) return value
  if (Array.isArray(value)) return value.map(plain)
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]))
}

/** A readable view. `id` is empty where its author gave none. What cannot be read has no headers: one message must not stop all that come after it. */
export function fromAmqp(raw: Raw, topic: string): Message {
  try {
    return read(raw, topic)
  } catch {
    return { id: '', topic, headers: {}, body: raw.content }
  }
}

function read({ content, properties }: Raw, topic: string): Message {
  const raw = headersOf(properties)
  const headers: Record<string, string> = {}
  for (const name in raw) {
    if (HIDDEN.has(name) || isBrokers(name)) continue
    setHeader(headers, name.startsWith(ESCAPED) ? name.slice(ESCAPED.length) : name, readable(raw[name]))
  }
  if (typeof properties.contentType === 'string') headers[CONTENT_TYPE] = properties.contentType
  const key = raw[OURS.key]
  return {
    id: idOf(properties) ?? '',
    topic,
    ...(key !== undefined && { key: readable(key) }),
    headers,
    body: content,
    ...(raw[OURS.tombstone] !== undefined && { tombstone: true as const }),
  }
}

export function idOf({ messageId, headers }: MessageProperties): string | undefined {
  const own: unknown = messageId ?? headersOf({ headers })[OURS.id]
  return own === undefined ? undefined : readable(own)
}

export function readable(value: unknown): string {
  if (typeof value === 'string') return value
  if (Buffer.isBuffer(value)) return value.toString('utf8')
  if (isTagged(value)) return readable(value.value)
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)
}

/** The client's notation for what JavaScript has no type for: timestamps and decimals. */
function isTagged(value: unknown): value is { readonly value: unknown } {
  return typeof value === 'object' && value !== null && '!' in value && 'value' in value
}

/** The header in which a broker counts how often it has handed a message out. */
export type CountHeader = 'x-delivery-count' | 'x-acquired-count'

const ACQUIRED_SINCE = [4, 3] as const

/** RabbitMQ 4.3 counts under another name than the versions before it. */
export function countHeaderOf(version: string): CountHeader {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [sinceMajor, sinceMinor] = ACQUIRED_SINCE
  return major > sinceMajor || (major === sinceMajor && minor >= sinceMinor) ? 'x-acquired-count' : 'x-delivery-count'
}

/**
 * Times the broker handed it out before. Of a message that it hands out for the first time all headers are its author's, and of one that it hands
 * out again all but the one that it counts in: whoever takes a message from a queue and publishes it again publishes its counts too.
 */
export function unsettledBefore({ fields, properties }: Raw, counter: CountHeader): number {
  const count = fields.redelivered ? headersOf(properties)[counter] : 0
  return typeof count === 'number' && count > 0 ? count : 0
}

const FIELD_BYTES = 6

/** What a table takes on the wire, about. */
export function headerBytes(headers: Headers): number {
  let bytes = 0
  for (const name in headers) bytes += FIELD_BYTES + Buffer.byteLength(name) + valueBytes(headers[name])
  return bytes
}

export function valueBytes(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value)
  if (Buffer.isBuffer(value)) return value.length
  return typeof value === 'object' && value !== null ? Buffer.byteLength(JSON.stringify(value)) : 8
}

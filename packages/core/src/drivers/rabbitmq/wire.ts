import { randomUUID } from 'node:crypto'
import type { ConsumeMessage, GetMessage, MessageProperties, Options } from 'amqplib'
import type { Message } from '../../driver.ts'

/** What the broker handed out, with every property and header as its author wrote it. */
export type Raw = ConsumeMessage | GetMessage

/** What is published: bytes and everything beside them. */
export interface Outgoing {
  readonly body: Buffer
  readonly properties: Options.Publish
}

type Headers = Readonly<Record<string, unknown>>

const OURS = {
  id: 'corebus-id',
  key: 'corebus-key',
  tombstone: 'corebus-tombstone',
  /** Of a dead letter: when it was stored, for which group and topic, and until when it is kept. */
  deadAt: 'corebus-dead-at',
  deadTopic: 'corebus-dead-topic',
  deadGroup: 'corebus-dead-group',
  deadUntil: 'corebus-dead-until',
  /** Properties that a copy cannot carry as such: the broker would drop it early, or refuse it as another user's. */
  expiration: 'corebus-amqp-expiration',
  userId: 'corebus-amqp-user-id',
} as const
const HIDDEN: ReadonlySet<string> = new Set(Object.values(OURS))
const DEAD: ReadonlySet<string> = new Set([OURS.deadAt, OURS.deadTopic, OURS.deadGroup, OURS.deadUntil])

/** Headers the broker acts upon or writes itself. A user's header of such a name travels under another. */
const BROKERS = /^(CC|BCC|x-(death|first-death-.*|last-death-.*|delivery-count|acquired-count|stream-.*))$/
const ESCAPED = 'corebus-header-'
const CONTENT_TYPE = 'content-type'
const LONGEST_SHORT_STRING_BYTES = 255

/** The layout on the wire: the body as it is, `message-id`, `content-type` and `timestamp` as properties, everything else as headers. */
export function toAmqp({ id, key, headers, body, tombstone }: Message, now: number): Outgoing {
  const table: Record<string, string> = {}
  for (const name in headers) table[BROKERS.test(name) ? ESCAPED + name : name] = headers[name] as string
  const properties: Options.Publish = { mandatory: true, headers: table, deliveryMode: 2, timestamp: Math.floor(now / 1_000) }
  const contentType = headers[CONTENT_TYPE]
  if (contentType !== undefined && isShort(contentType)) {
    properties.contentType = contentType
    delete table[CONTENT_TYPE]
  }
  if (key !== undefined) table[OURS.key] = key
  if (tombstone) table[OURS.tombstone] = 'true'
  if (isShort(id)) properties.messageId = id
  else table[OURS.id] = id
  return { body: Buffer.from(body.buffer, body.byteOffset, body.byteLength), properties }
}

function isShort(text: string): boolean {
  return text.length * 3 <= LONGEST_SHORT_STRING_BYTES || Buffer.byteLength(text) <= LONGEST_SHORT_STRING_BYTES
}

/** A readable view. `id` is empty where its author gave none. */
export function fromAmqp({ content, properties }: Raw, topic: string): Message {
  const raw: Headers = properties.headers ?? {}
  const headers: Record<string, string> = {}
  for (const name in raw) {
    if (HIDDEN.has(name) || BROKERS.test(name)) continue
    headers[name.startsWith(ESCAPED) ? name.slice(ESCAPED.length) : name] = readable(raw[name])
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

function idOf({ messageId, headers }: MessageProperties): string | undefined {
  const own: unknown = messageId ?? headers?.[OURS.id]
  return own === undefined ? undefined : readable(own)
}

function readable(value: unknown): string {
  if (typeof value === 'string') return value
  if (Buffer.isBuffer(value)) return value.toString('utf8')
  if (isTagged(value)) return readable(value.value)
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)
}

/** The client's notation for what JavaScript has no type for: timestamps and decimals. */
function isTagged(value: unknown): value is { readonly value: unknown } {
  return typeof value === 'object' && value !== null && '!' in value && 'value' in value
}

/** Times the broker handed it out before: what it counts from 3.10 on, and what 4.x counts beside that. */
export function unsettledBefore({ properties }: Raw): number {
  const { 'x-delivery-count': returned, 'x-acquired-count': acquired }: Headers = properties.headers ?? {}
  return Math.max(countIn(returned), countIn(acquired))
}

function countIn(value: unknown): number {
  return typeof value === 'number' && value > 0 ? value : 0
}

/**
 * The same message again, every property and header as it was, with `over` laid over the headers and without what the broker wrote into them.
 * `delayPlace` begins the names of our delay queues.
 */
export function copyOf(raw: Raw, over: Headers, delayPlace: string): Outgoing {
  const { contentType, contentEncoding, deliveryMode, priority, correlationId, replyTo, messageId, timestamp, type, appId } = raw.properties
  const { expiration, userId } = raw.properties
  const headers: Record<string, unknown> = {}
  const before: Headers = raw.properties.headers ?? {}
  for (const name in before) {
    if (DEAD.has(name)) continue
    // Whoever wrote a CC wanted a second queue to have the original: not every copy.
    if (name === 'CC' || name === 'BCC') headers[ESCAPED + name] = before[name]
    else if (!BROKERS.test(name)) headers[name] = before[name]
  }
  Object.assign(headers, foreignDeaths(before, delayPlace))
  if (expiration !== undefined) headers[OURS.expiration] = expiration
  if (userId !== undefined) headers[OURS.userId] = userId
  if (idOf(raw.properties) === undefined) headers[OURS.id] = randomUUID()
  Object.assign(headers, over)
  const kept = { contentType, contentEncoding, deliveryMode, priority, correlationId, replyTo, messageId, timestamp, type, appId }
  return { body: raw.content, properties: { ...kept, mandatory: true, headers } }
}

/** What the broker wrote when it moved the message is taken off again, unless it did so before the message came to us. */
function foreignDeaths(headers: Headers, delayPlace: string): Headers {
  const ours = (queue: unknown) => typeof queue === 'string' && queue.startsWith(delayPlace)
  const kept: Record<string, unknown> = {}
  for (const which of ['first', 'last'])
    if (!ours(headers[`x-${which}-death-queue`]))
      for (const name in headers) if (name.startsWith(`x-${which}-death-`)) kept[name] = headers[name]
  const deaths = headers['x-death']
  const others = Array.isArray(deaths) ? deaths.filter((death: { readonly queue?: unknown } | null) => !ours(death?.queue)) : []
  if (others.length > 0) kept['x-death'] = others
  return kept
}

export interface Burial {
  readonly topic: string
  readonly group: string
  readonly at: number
  /** Only where the queue itself does not expire its letters. */
  readonly ttlMs?: number
}

/** The headers of a dead letter that say whose it is. */
export function burialHeaders({ topic, group, at, ttlMs }: Burial): Headers {
  return {
    [OURS.deadTopic]: topic,
    [OURS.deadGroup]: group,
    [OURS.deadAt]: at,
    ...(ttlMs !== undefined && { [OURS.deadUntil]: at + ttlMs }),
  }
}

/** Whose dead letter it is, as far as it says so itself. */
export function burialOf({ properties }: Raw): { topic?: string; group?: string; at: number; until: number } {
  const headers: Headers = properties.headers ?? {}
  const [topic, group, at, until] = [headers[OURS.deadTopic], headers[OURS.deadGroup], headers[OURS.deadAt], headers[OURS.deadUntil]]
  return {
    ...(typeof topic === 'string' && { topic }),
    ...(typeof group === 'string' && { group }),
    at: typeof at === 'number' ? at : typeof properties.timestamp === 'number' ? properties.timestamp * 1_000 : 0,
    until: typeof until === 'number' ? until : Number.POSITIVE_INFINITY,
  }
}

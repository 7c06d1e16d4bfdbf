import { randomUUID } from 'node:crypto'
import { BROKERS, ESCAPED, type Headers, headerBytes, idOf, OURS, type Outgoing, type Raw, valueBytes } from './wire.ts'

const DEAD: ReadonlySet<string> = new Set([OURS.deadAt, OURS.deadTopic, OURS.deadGroup, OURS.deadUntil])

/** The client writes headers of up to 64 KiB; some of it is for what the broker adds. */
const MOST_HEADER_BYTES = 63 * 1024

/** `over`, its longest texts cut so far that it fits beside what the message has. */
function cutToFit(headers: Headers, over: Headers): Headers {
  let tooMany = headerBytes(headers) + headerBytes(over) - MOST_HEADER_BYTES
  const cut: Record<string, unknown> = { ...over }
  const longestFirst = Object.entries(over).sort(([, a], [, b]) => valueBytes(b) - valueBytes(a))
  for (const [name, value] of longestFirst) {
    if (tooMany <= 0) break
    if (typeof value !== 'string') continue
    const kept = Buffer.from(value)
      .subarray(0, Math.max(Buffer.byteLength(value) - tooMany, 0))
      .toString('utf8')
    tooMany -= Buffer.byteLength(value) - Buffer.byteLength(kept)
    cut[name] = kept
  }
  return cut
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
  Object.assign(headers, cutToFit(headers, over))
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

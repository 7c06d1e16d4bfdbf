import { randomUUID } from 'node:crypto'
import type { Keeps } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import type { Address } from './names.ts'
import { BROKERS, ESCAPED, type Headers, headerBytes, headersOf, idOf, OURS, type Outgoing, type Raw } from './wire.ts'

const LEFT_BEHIND: ReadonlySet<string> = new Set([OURS.deadAt, OURS.deadTopic, OURS.deadGroup, OURS.deadUntil, OURS.delay])

/** The client writes headers of up to 64 KiB; some of it is for what the broker adds. */
const MOST_HEADER_BYTES = 63 * 1024
const MOST_KEY_BYTES = 4 * 1024

/** What may be cut: what counts, routes or explains in one word never is. */
const CUT = ['corebus-error-stack', 'corebus-error']

/** `over`, its error cut so far that it fits beside what the message has. @throws CorebusError TOO_LARGE */
export function cutToFit(headers: Headers, over: Headers): Headers {
  let tooMany = headerBytes(headers) + headerBytes(over) - MOST_HEADER_BYTES
  const cut: Record<string, unknown> = { ...over }
  for (const name of CUT) {
    const value = over[name]
    if (tooMany <= 0) break
    if (typeof value !== 'string') continue
    const kept = Buffer.from(value)
      .subarray(0, Math.max(Buffer.byteLength(value) - tooMany, 0))
      .toString('utf8')
    tooMany -= Buffer.byteLength(value) - Buffer.byteLength(kept)
    cut[name] = kept
  }
  if (tooMany > 0)
    throw new CorebusError('TOO_LARGE', `its headers have ${tooMany} bytes more than a copy can have beside its own (${MOST_HEADER_BYTES})`)
  return cut
}

export interface CopyOptions {
  /** Begins the names of our delay queues. */
  readonly delayPlace: string
  /** Where the messages of its group are published as a rule: a copy that says nothing of it was published there. */
  readonly home: Address
  readonly keeps?: Keeps
}

/** The same message again, every property and header as it was, with `over` laid over the headers and without what the broker wrote into them. */
export function copyOf(raw: Raw, over: Headers, { delayPlace, home, keeps = 'all' }: CopyOptions): Outgoing {
  if (keeps !== 'all') return lessOf(raw, over, keeps)
  const { contentType, contentEncoding, deliveryMode, priority, correlationId, replyTo, messageId, timestamp, type, appId } = raw.properties
  const { expiration, userId } = raw.properties
  const headers: Record<string, unknown> = {}
  const before = headersOf(raw.properties)
  for (const name in before) {
    if (LEFT_BEHIND.has(name)) continue
    // Whoever wrote a CC wanted a second queue to have the original: not every copy.
    if (name === 'CC' || name === 'BCC') headers[ESCAPED + name] = before[name]
    else if (!BROKERS.test(name)) headers[name] = before[name]
  }
  Object.assign(headers, foreignDeaths(before, delayPlace))
  if (expiration !== undefined) headers[OURS.expiration] = expiration
  if (userId !== undefined) headers[OURS.userId] = userId
  if (idOf(raw.properties) === undefined) headers[OURS.id] = randomUUID()
  const { exchange, routingKey } = addressOf(raw, home)
  // A million of them may be moved to their first group: what goes without saying is not written.
  if (exchange !== home.exchange || routingKey !== home.routingKey) {
    headers[OURS.exchange] = exchange
    headers[OURS.routingKey] = routingKey
  }
  Object.assign(headers, cutToFit(headers, over))
  const kept = { contentType, contentEncoding, deliveryMode, priority, correlationId, replyTo, messageId, timestamp, type, appId }
  return { body: raw.content, properties: { ...kept, mandatory: true, headers } }
}

/** Where it was published the first time. Only what came through the default exchange can be a copy, which says so itself unless that was at home. */
export function addressOf({ fields, properties }: Raw, home: Address): Address {
  if (fields.exchange !== '') return fields
  const before = headersOf(properties)
  const [exchange, routingKey] = [before[OURS.exchange], before[OURS.routingKey]]
  return typeof exchange === 'string' && typeof routingKey === 'string' ? { exchange, routingKey } : home
}

/** Without anything of its author's but its id, its key, and perhaps its body: each may be what cannot be written. */
function lessOf({ content, properties }: Raw, over: Headers, keeps: Keeps): Outgoing {
  const id = idOf(properties) ?? randomUUID()
  const key = headersOf(properties)[OURS.key]
  const headers = {
    [OURS.id]: id,
    ...(typeof key === 'string' && Buffer.byteLength(key) <= MOST_KEY_BYTES && { [OURS.key]: key }),
    ...over,
  }
  const { contentType } = properties
  const kept = keeps === 'body' && typeof contentType === 'string' ? { contentType } : {}
  return { body: keeps === 'body' ? content : Buffer.alloc(0), properties: { ...kept, deliveryMode: 2, mandatory: true, headers } }
}

/** What the broker wrote when it moved the message is taken off again, unless it did so before the message came to us. */
function foreignDeaths(headers: Headers, delayPlace: string): Headers {
  const ours = (queue: unknown) => typeof queue === 'string' && queue.startsWith(delayPlace)
  const kept: Record<string, unknown> = {}
  for (const which of ['first', 'last'])
    if (!ours(headers[`x-${which}-death-queue`]))
      for (const name in headers) if (name.startsWith(`x-${which}-death-`)) kept[ESCAPED + name] = headers[name]
  const deaths = headers['x-death']
  const others = Array.isArray(deaths) ? deaths.filter((death: { readonly queue?: unknown } | null) => !ours(death?.queue)) : []
  // A foreign x-death travels under another name: the process of the broker that moves our retries reads the header, and dies of one it did not write.
  if (others.length > 0) kept[`${ESCAPED}x-death`] = others
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
export function burialOf({ properties }: Raw): { topic?: string; group?: string; at?: number; until: number } {
  const headers = headersOf(properties)
  const [topic, group, at, until] = [headers[OURS.deadTopic], headers[OURS.deadGroup], headers[OURS.deadAt], headers[OURS.deadUntil]]
  const stamped = typeof properties.timestamp === 'number' ? properties.timestamp * 1_000 : undefined
  const storedAt = typeof at === 'number' ? at : stamped
  return {
    ...(typeof topic === 'string' && { topic }),
    ...(typeof group === 'string' && { group }),
    ...(storedAt !== undefined && { at: storedAt }),
    until: typeof until === 'number' ? until : Number.POSITIVE_INFINITY,
  }
}

import type { Properties, Raw as RawMessage } from '../../driver.ts'
import { setHeader } from '../headers.ts'
import { addressOf } from './copy.ts'
import type { Address } from './names.ts'
import { ESCAPED, type Headers, HIDDEN, headersOf, isBrokers, OURS, type Raw, readable } from './wire.ts'

/** What its author wrote, as bytes, and where it was published the first time: a copy says of itself what it was before. */
export function rawOf(raw: Raw, isOriginal: boolean, home: Address): RawMessage {
  const { fields, properties } = raw
  const own = headersOf(properties)
  const headers: Record<string, Uint8Array> = Object.create(null)
  for (const name in own) {
    if (HIDDEN.has(name) || isBrokers(name)) continue
    setHeader(headers, name.startsWith(ESCAPED) ? name.slice(ESCAPED.length) : name, bytesOf(own[name]))
  }
  const { exchange, routingKey } = isOriginal ? fields : addressOf(raw, home)
  const key = own[OURS.key]
  return {
    ...(key !== undefined && { key: bytesOf(key) }),
    headers,
    properties: propertiesOf(properties, own),
    exchange,
    routingKey,
  }
}

/** AMQP has seconds. What a copy cannot carry as a property is in headers of ours. */
function propertiesOf(properties: Raw['properties'], own: Headers): Properties {
  const { contentType, contentEncoding, type, messageId, correlationId, replyTo, appId, priority, timestamp } = properties
  const [userId, expiration] = [properties.userId ?? own[OURS.userId], properties.expiration ?? own[OURS.expiration]]
  const found = {
    contentType,
    contentEncoding,
    type,
    messageId,
    correlationId,
    replyTo,
    appId,
    userId,
    priority,
    timestamp: typeof timestamp === 'number' ? timestamp * 1_000 : undefined,
    expiration: expiration === undefined || Number.isNaN(Number(expiration)) ? undefined : Number(expiration),
  }
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined && value !== null)) as Properties
}

function bytesOf(value: unknown): Uint8Array {
  return Buffer.isBuffer(value) ? value : Buffer.from(readable(value))
}

import type { Message } from '../../driver.ts'
import type { RawHeaders, RecordIn, RecordOut } from './records.ts'

/** Ours, beside those of the core. */
export const OURS = {
  id: 'corebus-id',
  /** A null value that had to become an empty one, where null means "deleted". */
  tombstone: 'corebus-tombstone',
  /** Of a copy: where the original lies. */
  origin: 'corebus-origin',
  /** Of a copy that waits for its retry: how long, from when the broker stored it. */
  delay: 'corebus-delay-ms',
  /** Of a dead letter. */
  dead: 'corebus-dead',
  /** Of a dead letter, whose own key says which letter it is. */
  key: 'corebus-key',
} as const
const HIDDEN: ReadonlySet<string> = new Set(Object.values(OURS))

/** The place of an original message. */
export interface Origin {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** When it was stored, ms since the epoch. */
  readonly at: number
}

/** The layout on the wire: the body and the key as they are, everything else as headers. */
export function toRecord({ id, key, headers, body, tombstone }: Message): RecordOut {
  return {
    key: key === undefined ? null : Buffer.from(key),
    value: tombstone ? null : Buffer.from(body.buffer, body.byteOffset, body.byteLength),
    headers: { ...headers, [OURS.id]: id },
  }
}

/** A readable view. What has no id is known by where it lies. */
export function toMessage({ key, value, headers: raw }: RecordIn, origin: Origin): Message {
  const headers: Record<string, string> = {}
  for (const name in raw) {
    if (HIDDEN.has(name)) continue
    const text = textOf(raw, name)
    if (text !== undefined) headers[name] = text
  }
  const given = raw[OURS.dead] === undefined ? key : bufferIn(raw, OURS.key)
  return {
    id: idOf(raw, origin),
    topic: origin.topic,
    ...(given && { key: given.toString('utf8') }),
    headers,
    body: value ?? EMPTY,
    ...((value === null || raw[OURS.tombstone] !== undefined) && { tombstone: true as const }),
  }
}

export function idOf(headers: RawHeaders, { topic, partition, offset }: Origin): string {
  return textOf(headers, OURS.id) ?? `kafka:${topic}/${partition}/${offset}`
}

export function originOf(headers: RawHeaders, otherwise: Origin): Origin {
  const text = textOf(headers, OURS.origin)
  return text === undefined ? otherwise : JSON.parse(text)
}

export function numberOf(headers: RawHeaders, name: string): number | undefined {
  const text = textOf(headers, name)
  return text === undefined ? undefined : Number(text)
}

const EMPTY: Uint8Array = new Uint8Array()

/** Of a header that is there twice, the last. */
export function textOf(headers: RawHeaders, name: string): string | undefined {
  return bufferIn(headers, name)?.toString('utf8')
}

export function bufferIn(headers: RawHeaders, name: string): Buffer | undefined {
  const value = headers[name]
  return (isList(value) ? value.at(-1) : value) ?? undefined
}

function isList(value: RawHeaders[string]): value is readonly Buffer[] {
  return Array.isArray(value)
}

import type { Message } from '../../driver.ts'
import type { RawHeaders, RecordIn, RecordOut } from './protocol/client.ts'

/** Ours, beside those of the core. */
export const OURS = {
  id: 'corebus-id',
  /** A null value that had to become an empty one, where null means "deleted". */
  tombstone: 'corebus-tombstone',
  /** Of a copy: where the original lies. */
  origin: 'corebus-origin',
  /** Of a copy that waits for its retry: how long, from when the broker stored it. */
  delay: 'corebus-delay-ms',
  /** Of one that is for another member: the partition in which it is due. */
  to: 'corebus-to',
  /** Of a dead letter. */
  dead: 'corebus-dead',
  /** Of a dead letter, whose own key says which letter it is. */
  key: 'corebus-key',
  /** Of what stands for records that could not be read: why. */
  unreadable: 'corebus-unreadable',
} as const
export const UNREADABLE: string = OURS.unreadable
export const HIDDEN: ReadonlySet<string> = new Set(Object.values(OURS))

/** The place of an original message. */
export interface Origin {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** When it was stored, ms since the epoch. */
  readonly at: number
  /** How often it was handed back from the dead letters, once it was. */
  readonly life?: number
}

/** The layout on the wire: the body and the key as they are, everything else as headers. */
export function toRecord({ id, key, headers, body, tombstone }: Message): RecordOut {
  return {
    key: key === undefined ? null : Buffer.from(key),
    value: tombstone ? null : Buffer.from(body.buffer, body.byteOffset, body.byteLength),
    headers: { ...headers, [OURS.id]: id },
  }
}

/**
 * A readable view. What has no id is known by where it lies, which is `place` unless it is a copy. Whose copy it is, is believed where only copies
 * lie: in a topic of users anybody may write a header of that name.
 */
export function toMessage(record: RecordIn, place: Origin, isCopy: boolean): Message {
  const { key: own, value, headers, ours } = record.text()
  const origin = isCopy ? originFrom(ours[OURS.origin], place) : place
  const key = isCopy && ours[OURS.dead] !== undefined ? ours[OURS.key] : own
  const base = { id: idFrom(ours[OURS.id], origin), topic: origin.topic, headers, body: value ?? EMPTY }
  // Without spreads: this is made for every message.
  const message: Message = key === undefined ? base : { id: base.id, topic: base.topic, key, headers, body: base.body }
  if (value === null || ours[OURS.tombstone] !== undefined) return { ...message, tombstone: true }
  const unreadable = isCopy ? ours[OURS.unreadable] : record.unreadable
  return unreadable === undefined ? message : { ...message, unreadable }
}

export const idOf = (headers: RawHeaders, origin: Origin): string => idFrom(textOf(headers, OURS.id), origin)

export const originOf = (headers: RawHeaders, otherwise: Origin): Origin => originFrom(textOf(headers, OURS.origin), otherwise)

function idFrom(text: string | undefined, { topic, partition, offset }: Origin): string {
  return text ?? `kafka:${topic}/${partition}/${offset}`
}

/** Where a copy that was waiting is due: in the partition of its original, unless it says another. */
export function dueIn(headers: RawHeaders, { topic, partition }: Origin): Pick<Origin, 'topic' | 'partition'> {
  const to = numberOf(headers, OURS.to)
  return { topic, partition: isCount(to) ? (to as number) : partition }
}

/** What does not say where it lay is an original, wherever it lies now. */
function originFrom(text: string | undefined, otherwise: Origin): Origin {
  const said = text === undefined ? undefined : parsed(text)
  if (typeof said !== 'object' || said === null) return otherwise
  const { topic, partition, offset, at, life } = said as Partial<Record<keyof Origin, unknown>>
  if (typeof topic !== 'string' || !isCount(partition) || !isCount(offset) || typeof at !== 'number') return otherwise
  return { topic, partition, offset, at, ...(isCount(life) && { life }) }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** The JSON of a header, or undefined: anybody may have written it. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
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

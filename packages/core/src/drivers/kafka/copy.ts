import type { Keeps, Message } from '../../driver.ts'
import type { RecordIn, RecordOut } from './protocol/client.ts'
import { bufferIn, idOf, type Origin, OURS, parsed, textOf } from './wire.ts'

export interface CopyOptions {
  readonly record: RecordIn
  readonly origin: Origin
  /** Laid over those the record has. */
  readonly headers: Message['headers']
  readonly keeps?: Keeps | undefined
}

/** The same record for another place: bytes, key and foreign headers untouched, and beside them where it came from. */
export function copyOf({ record, origin, headers, keeps = 'all' }: CopyOptions): RecordOut {
  const { [OURS.delay]: _, [OURS.to]: ___, [OURS.dead]: dead, [OURS.key]: __, [OURS.tombstone]: empty, ...kept } = record.headers
  const all: Record<string, Buffer | string | readonly Buffer[]> = Object.create(null)
  // kafkajs cannot write a header without a value.
  if (keeps === 'all') for (const name in kept) if (kept[name]) all[name] = kept[name] as Buffer | readonly Buffer[]
  return {
    key: dead === undefined ? record.key : (bufferIn(record.headers, OURS.key) ?? null),
    value: empty === undefined && keeps !== 'nothing' ? record.value : null,
    headers: { ...all, ...headers, [OURS.id]: idOf(record.headers, origin), [OURS.origin]: JSON.stringify(origin) },
  }
}

/** Whose dead letter it is. */
export interface Burial {
  readonly topic: string
  readonly group: string
  /** When it was stored, ms since the epoch. */
  readonly at: number
  /** When it may go, ms since the epoch. */
  readonly until?: number
}

/**
 * In a compacted topic: its key says which letter it is, and null would delete it. It is known by the place of its original and not by its id,
 * which several messages may have. The time is part of the place: a topic that was deleted and made again counts from 0. So is its life: one
 * that was handed back may be dead again before the letter of its last life is deleted.
 */
export function letterOf({ key, value, headers }: RecordOut, burial: Burial, { partition, offset, at, life = 0 }: Origin): RecordOut {
  return {
    key: Buffer.from(JSON.stringify([burial.group, burial.topic, partition, offset, at, life])),
    value: value ?? Buffer.alloc(0),
    headers: {
      ...headers,
      [OURS.dead]: JSON.stringify(burial),
      ...(key && { [OURS.key]: key }),
      ...(value === null && { [OURS.tombstone]: 'true' }),
    },
  }
}

/** A letter for a topic of others: key and value as its author wrote them. What only had to be left out is empty, since null may delete there. */
export function letterForOthers(options: CopyOptions): RecordOut {
  const copy = copyOf(options)
  return options.keeps === 'nothing' ? { ...copy, value: Buffer.alloc(0) } : copy
}

/** Undefined for what is no letter. What says that it is one, and not whose, is nobody's. */
export function burialOf({ headers, at: storedAt }: RecordIn): Burial | undefined {
  const text = textOf(headers, OURS.dead)
  if (text === undefined) return undefined
  const said = parsed(text)
  const { group, topic, at, until } = (typeof said === 'object' && said !== null ? said : {}) as Partial<Record<keyof Burial, unknown>>
  return {
    group: typeof group === 'string' ? group : '',
    topic: typeof topic === 'string' ? topic : '',
    at: typeof at === 'number' ? at : storedAt,
    ...(typeof until === 'number' && { until }),
  }
}

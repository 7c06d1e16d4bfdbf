import type { RecordBatch } from './batches.ts'
import type { RecordIn } from './record-in.ts'

/** Bytes as their author wrote them. A header that was written twice is an array. */
export type RawHeaders = Readonly<Record<string, Buffer | readonly Buffer[] | null | undefined>>

export interface RecordOut {
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, Buffer | string | readonly Buffer[]>>
}

export interface Aborted {
  readonly producerId: string
  readonly firstOffset: number
}

/**
 * Those at or after `from` that a reader may see, and where to go on. Brokers answer with whole batches; transactions leave markers, and
 * what was aborted between them.
 */
export function readable(
  batches: readonly RecordBatch[],
  from: number,
  aborted: readonly Aborted[],
): { records: RecordIn[]; next: number } {
  const records: RecordIn[] = []
  const open = new Set<string>()
  const begins = [...aborted]
  let next = from
  for (const { last, producerId, inTransaction, isMarker, records: written } of batches) {
    // Only some of a compacted batch is left: it ends where it says.
    next = Math.max(next, last + 1)
    while (begins[0] && begins[0].firstOffset <= last) open.add((begins.shift() as Aborted).producerId)
    if (isMarker) {
      const key = written[0]?.key
      // Version and type, two bytes each: 0 is an abort.
      if (key && key.length >= 4 && key.readInt16BE(2) === 0) open.delete(producerId)
    } else if (!(inTransaction && open.has(producerId))) for (const record of written) if (record.offset >= from) records.push(record)
  }
  return { records, next }
}

const RECORD_BYTES = 40

/** About what it takes on the wire. */
export function bytesOf({ key, value, headers }: RecordOut): number {
  let bytes = RECORD_BYTES + (key?.length ?? 0) + (value?.length ?? 0)
  for (const part of partsOf(headers)) bytes += 5 + (typeof part === 'string' ? Buffer.byteLength(part) : part.length)
  return bytes
}

/** Name and value of each, in turn. */
export function partsOf(headers: RecordOut['headers']): readonly (Buffer | string)[] {
  const parts: (Buffer | string)[] = []
  for (const name in headers) {
    const value = headers[name]
    if (typeof value === 'string' || Buffer.isBuffer(value)) parts.push(name, value)
    else if (value) for (const one of value) parts.push(name, one)
  }
  return parts
}

/** What is read: bytes as their author wrote them. A header that was written twice is an array. */
export interface RecordIn {
  readonly offset: number
  /** Ms since the epoch. */
  readonly at: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: RawHeaders
}

export type RawHeaders = Readonly<Record<string, Buffer | readonly Buffer[] | null | undefined>>

export interface RecordOut {
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, Buffer | string | readonly Buffer[]>>
}

/** A record as kafkajs decodes it. */
export interface Decoded {
  readonly offset: string
  readonly timestamp: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: RawHeaders
  readonly isControlRecord: boolean
  readonly batchContext?: {
    readonly firstOffset: string
    readonly lastOffsetDelta: number
    readonly producerId: string
    readonly inTransaction: boolean
  }
}

export interface Aborted {
  readonly producerId: string
  readonly firstOffset: string
}

/**
 * Those at or after `from` that a reader may see, and where to go on. Brokers answer with whole batches; transactions leave markers, and
 * what was aborted between them.
 */
export function readable(decoded: readonly Decoded[], from: number, aborted: readonly Aborted[]): { records: RecordIn[]; next: number } {
  const records: RecordIn[] = []
  const open = new Set<string>()
  const begins = [...aborted]
  let next = from
  for (const { offset, timestamp, key, value, headers, isControlRecord, batchContext } of decoded) {
    const at = Number(offset)
    // Only some of a compacted batch is left: it ends where it says.
    const end = batchContext ? Number(batchContext.firstOffset) + batchContext.lastOffsetDelta : at
    next = Math.max(next, at + 1, end + 1)
    while (begins[0] && Number(begins[0].firstOffset) <= at) open.add((begins.shift() as Aborted).producerId)
    if (isControlRecord) {
      // Version and type, two bytes each: 0 is an abort.
      if (batchContext && key && key.length >= 4 && key.readInt16BE(2) === 0) open.delete(batchContext.producerId)
      continue
    }
    if (at < from || (batchContext?.inTransaction && open.has(batchContext.producerId))) continue
    records.push({ offset: at, at: Number(timestamp), key, value, headers })
  }
  return { records, next }
}

const RECORD_BYTES = 40

interface Sized {
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: RawHeaders | RecordOut['headers']
}

/** About what it takes on the wire. */
export function bytesOf({ key, value, headers }: Sized): number {
  let bytes = RECORD_BYTES + (key?.length ?? 0) + (value?.length ?? 0)
  for (const [name, of] of Object.entries(headers)) {
    const values: readonly (Buffer | string | null | undefined)[] = isList(of) ? of : [of]
    // Others write headers without a value.
    for (const one of values) bytes += 10 + Buffer.byteLength(name) + Buffer.byteLength(one ?? '')
  }
  return bytes
}

function isList(value: Sized['headers'][string]): value is readonly Buffer[] {
  return Array.isArray(value)
}

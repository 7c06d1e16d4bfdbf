import type { PendingMessage } from '../pending.ts'
import type { RecordOut } from './protocol/client.ts'

export interface Entry extends PendingMessage {
  readonly record: RecordOut
  readonly queue: Queue
  /** When it was stored, where the broker says so. */
  at: number
}

export interface Queue {
  readonly topic: string
  readonly partition: number
  waiting: Entry[]
  /** A batch of it is out, or waits to be sent again. */
  busy: boolean
  /** Records together: fewer after a refusal that may be about one of them. */
  most: number
  /** In a row. */
  failures: number
  /** Why the last batch was not stored. */
  trouble: Error | undefined
}

/** What leaves of one queue at once. */
export interface Batch {
  readonly queue: Queue
  readonly entries: readonly Entry[]
}

/** The broker takes 1,048,588 bytes at once, of one partition. */
const BATCH_BYTES = 900_000
export const BATCH_RECORDS = 10_000
/** Of several partitions together; with the last batch it may be more. */
const REQUEST_BYTES = 4 * 1024 * 1024

export function newQueue(topic: string, partition: number): Queue {
  return { topic, partition, waiting: [], busy: false, most: BATCH_RECORDS, failures: 0, trouble: undefined }
}

/** What may leave now. A caller who was told that it failed must not have it published after that. */
export function take(queue: Queue): readonly Entry[] {
  const batch: Entry[] = []
  let bytes = 0
  let n = 0
  for (const entry of queue.waiting) {
    if (!entry.over && batch.length > 0 && (bytes + entry.bytes > BATCH_BYTES || batch.length >= queue.most)) break
    n++
    if (entry.over) continue
    batch.push(entry)
    bytes += entry.bytes
  }
  queue.waiting = n === queue.waiting.length ? [] : queue.waiting.slice(n)
  return batch
}

/** Batches that go together. */
export function requests<T extends Batch>(batches: readonly T[]): readonly T[][] {
  const all: T[][] = [[]]
  let bytes = 0
  for (const batch of batches) {
    if (bytes > REQUEST_BYTES) {
      all.push([])
      bytes = 0
    }
    all.at(-1)?.push(batch)
    for (const entry of batch.entries) bytes += entry.bytes
  }
  return all
}

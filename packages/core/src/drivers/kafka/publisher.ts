import type { Clock } from '../../driver.ts'
import { asError, CorebusError } from '../../errors.ts'
import { backOff } from '../back-off.ts'
import type { Client } from './client.ts'
import { failureOf, inWords, isPermanent, isUnknownTopic } from './failure.ts'
import type { Metadata } from './metadata.ts'
import { partitionOf } from './partition.ts'
import { bytesOf, type RecordOut } from './records.ts'

export interface PublisherOptions {
  readonly client: Client
  readonly metadata: Metadata
  readonly clock: Clock
  readonly timeoutMs: number
  /** Makes a topic anew that the broker does not have any more. @throws when it may not or cannot. */
  readonly remake: (topic: string) => Promise<void>
}

export interface Failed {
  readonly permanent: boolean
  readonly cause: Error
}

interface Entry {
  readonly record: RecordOut
  readonly bytes: number
  readonly deadline: number
  readonly done: (failed: Failed | undefined, at: number) => void
  over: boolean
}

interface Queue {
  readonly topic: string
  readonly partition: number
  waiting: Entry[]
  busy: boolean
}

/** The broker takes 1,048,588 bytes at once, of one partition. */
const BATCH_BYTES = 900_000
const BATCH_RECORDS = 10_000
const LOOK_EVERY_MS = 50

/**
 * One queue and one request out for each partition, so that its order is kept over every retry. What is not confirmed by its deadline has
 * failed, and may be on the broker; it is not sent again after that.
 */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #queues = new Map<string, Map<number, Queue>>()
  /** In the order of their deadlines. */
  readonly #open = new Set<Entry>()
  #cancelLook: (() => void) | undefined
  #closed: Error | undefined
  #idle: (() => void)[] = []
  #trouble: Error | undefined
  #turn = 0
  readonly #lookups = new Map<string, Promise<number>>()

  constructor(options: PublisherOptions) {
    this.#options = options
  }

  /** Which partition for these keys. Those without one go together, each call to another partition. */
  partitions(topic: string, count: number, keys: readonly (Buffer | null)[]): readonly number[] {
    const keyless = this.#turn++ % count
    return keys.map((key) => (key === null ? keyless : partitionOf(topic, key, count)))
  }

  /**
   * How many partitions a topic has; a promise only where that has to be asked. It is made if it is not there. Who waits here goes on in the
   * order of asking, and before whoever asks later. @throws what the broker says of the topic.
   */
  count(topic: string): number | Promise<number> {
    const under = this.#lookups.get(topic)
    if (under) return under
    const known = this.#options.metadata.known(topic)
    if (known) return known.length
    const lookup = this.#lookup(topic)
    this.#lookups.set(topic, lookup)
    const over = () => void setImmediate(() => this.#lookups.delete(topic))
    lookup.then(over, over)
    return lookup
  }

  async #lookup(topic: string): Promise<number> {
    const { metadata, clock, timeoutMs } = this.#options
    const deadline = clock.now() + timeoutMs
    const waitMs = backOff({ maxMs: 500 })
    for (let n = 1; ; n++) {
      try {
        return (await metadata.leaders(topic)).length
      } catch (thrown) {
        const failure = failureOf(thrown)
        if (isUnknownTopic(failure)) await this.#options.remake(topic)
        else if (isPermanent(failure) || this.#closed || clock.now() > deadline) throw failure.error
        await pause(clock, waitMs(n))
      }
    }
  }

  /** `done` is called once: without a failure when every replica in sync has the record, otherwise at the latest after the time-out. */
  publish(topic: string, partition: number, record: RecordOut, done: Entry['done']): void {
    if (this.#closed) {
      done({ permanent: false, cause: this.#closed }, -1)
      return
    }
    const { clock, timeoutMs } = this.#options
    const entry: Entry = { record, bytes: bytesOf(record), deadline: clock.now() + timeoutMs, done, over: false }
    this.#open.add(entry)
    this.#cancelLook ??= clock.after(LOOK_EVERY_MS, () => this.#expire())
    const queue = this.#queue(topic, partition)
    queue.waiting.push(entry)
    if (queue.busy) return
    queue.busy = true
    queueMicrotask(() => void this.#drain(queue)) // never rejects
  }

  /** The same as a promise of when it was stored, where the broker says so. @throws the cause of its failure. */
  store(topic: string, partition: number, record: RecordOut): Promise<number> {
    return new Promise((resolve, reject) =>
      this.publish(topic, partition, record, (failed, at) => (failed ? reject(failed.cause) : resolve(at))),
    )
  }

  /** Resolves when nothing is pending. */
  flush(): Promise<void> {
    if (this.#open.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  /** What is pending fails now, and so does what comes. */
  close(error: Error): void {
    this.#closed = error
    for (const entry of this.#open) this.#end(entry, { permanent: false, cause: error })
    this.#cancelLook?.()
  }

  #queue(topic: string, partition: number): Queue {
    let ofTopic = this.#queues.get(topic)
    if (!ofTopic) {
      ofTopic = new Map()
      this.#queues.set(topic, ofTopic)
    }
    let queue = ofTopic.get(partition)
    if (!queue) {
      queue = { topic, partition, waiting: [], busy: false }
      ofTopic.set(partition, queue)
    }
    return queue
  }

  async #drain(queue: Queue): Promise<void> {
    const waitMs = backOff({ firstMs: 50, maxMs: 500 })
    let batch = this.#take(queue)
    for (let n = 1; batch.length > 0; ) {
      const failed = await this.#send(queue, batch)
      if (!failed) {
        n = 1
        this.#trouble = undefined
        batch = this.#take(queue)
        continue
      }
      this.#trouble = failed.cause
      if (failed.permanent) {
        // Of several together only one may be too large.
        const half = batch.length >> 1
        if (half > 0) queue.waiting = [...batch.slice(half), ...queue.waiting]
        else for (const entry of batch) this.#end(entry, failed)
        batch = half > 0 ? batch.slice(0, half) : this.#take(queue)
        continue
      }
      await pause(this.#options.clock, waitMs(n++))
      // Its caller was told that it failed: it must not be published after that.
      batch = batch.filter(({ over }) => !over)
      if (batch.length === 0) batch = this.#take(queue)
    }
    queue.busy = false
  }

  #take(queue: Queue): Entry[] {
    const batch: Entry[] = []
    let bytes = 0
    let n = 0
    for (const entry of queue.waiting) {
      if (!entry.over && batch.length > 0 && (bytes + entry.bytes > BATCH_BYTES || batch.length === BATCH_RECORDS)) break
      n++
      if (entry.over) continue
      batch.push(entry)
      bytes += entry.bytes
    }
    queue.waiting = n === queue.waiting.length ? [] : queue.waiting.slice(n)
    return batch
  }

  /** @returns why it is not confirmed. */
  async #send({ topic, partition }: Queue, batch: readonly Entry[]): Promise<Failed | undefined> {
    const { client, metadata, remake } = this.#options
    try {
      const leader = (await metadata.leaders(topic))[partition]
      if (leader === undefined) throw new CorebusError('PARTITION', `topic ${topic} has no partition ${partition} any more`)
      if (leader < 0) throw new CorebusError('NO_LEADER', `no broker that is up has partition ${partition} of topic ${topic}`)
      const { at } = await client.produce(
        leader,
        { topic, partition },
        batch.map(({ record }) => record),
      )
      for (const entry of batch) this.#end(entry, undefined, at)
      return undefined
    } catch (thrown) {
      const failure = failureOf(thrown)
      metadata.forget(topic)
      if (isUnknownTopic(failure)) {
        const refused = await remake(topic).then(
          () => undefined,
          (error: unknown) => asError(error),
        )
        if (refused) return { permanent: isPermanent(failureOf(refused)), cause: refused }
      }
      const permanent = isPermanent(failure)
      const tooLarge = failure.type === 'MESSAGE_TOO_LARGE' || failure.type === 'RECORD_LIST_TOO_LARGE'
      const code = tooLarge ? 'TOO_LARGE' : failure.type === '' ? 'CONNECTION_LOST' : 'REFUSED'
      return { permanent, cause: new CorebusError(code, `Kafka: ${inWords(failure)}`, { cause: failure.error }) }
    }
  }

  #end(entry: Entry, failed: Failed | undefined, at = -1): void {
    if (entry.over) return
    entry.over = true
    this.#open.delete(entry)
    entry.done(failed, at)
    if (this.#open.size === 0) for (const resolve of this.#idle.splice(0)) resolve()
  }

  #expire(): void {
    const { clock, timeoutMs } = this.#options
    const now = clock.now()
    for (const entry of this.#open) {
      if (entry.deadline > now) break
      const why = this.#trouble ? `: ${this.#trouble.message}` : ''
      const cause = new CorebusError('PUBLISH_TIMEOUT', `no confirm within ${timeoutMs} ms${why}; the message may still be on the broker`)
      this.#end(entry, { permanent: false, cause })
    }
    this.#cancelLook = this.#open.size > 0 ? clock.after(LOOK_EVERY_MS, () => this.#expire()) : undefined
  }
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve))
}

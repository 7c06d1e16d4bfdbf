import { monotonic, real } from '../../clock.ts'
import type { Clock } from '../../driver.ts'
import { asError, CorebusError } from '../../errors.ts'
import { backOff } from '../back-off.ts'
import type { BrokerTime } from './broker-time.ts'
import { type Failure, failureOf, inWords, isPermanent, isUnknownTopic } from './failure.ts'
import type { Metadata } from './metadata.ts'
import { partitionOf } from './partition.ts'
import { bytesOf, type Client, encodeBatch, type Parcel, type RecordOut } from './protocol/client.ts'
import { BATCH_RECORDS, type Batch, type Entry, type Failed, newQueue, type Queue, requests, take } from './publish-queue.ts'

export interface PublisherOptions {
  readonly client: Client
  readonly metadata: Metadata
  readonly clock: Clock
  readonly timeoutMs: number
  /** What records are stamped with. A broker refuses those of a clock that is an hour ahead of its own. */
  readonly time: Pick<BrokerTime, 'now' | 'correct'>
  /** Makes a topic anew that the broker does not have any more. @throws when it may not or cannot. */
  readonly remake: (topic: string) => Promise<void>
}

const LOOK_EVERY_MS = 50
const waitMs = backOff({ firstMs: 50, maxMs: 500 })

/**
 * One queue and one batch out for each partition, so that its order is kept over every retry. What leaves in one turn for one broker goes in one
 * request. What is not confirmed by its deadline has failed, and may be on the broker; it is not sent again after that.
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
  #toSend: Queue[] = []
  readonly #lookups = new Map<string, Promise<number>>()

  constructor(options: PublisherOptions) {
    this.#options = options
  }

  /** Which partition for these keys. Those without one go together, each call to another partition. */
  partitions(count: number, keys: readonly (Buffer | null)[]): readonly number[] {
    const keyless = this.#turn++ % count
    return keys.map((key) => (key === null ? keyless : partitionOf(key, count)))
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
    const over = () => void real.setImmediate(() => this.#lookups.delete(topic))
    lookup.then(over, over)
    return lookup
  }

  async #lookup(topic: string): Promise<number> {
    const { metadata, clock, timeoutMs } = this.#options
    const deadline = monotonic(clock) + timeoutMs
    const pauseMs = backOff({ maxMs: 500 })
    for (let n = 1; ; n++) {
      try {
        return (await metadata.leaders(topic)).length
      } catch (thrown) {
        const failure = failureOf(thrown)
        if (isUnknownTopic(failure)) await this.#options.remake(topic)
        else if (isPermanent(failure) || this.#closed || monotonic(clock) > deadline) throw failure.error
        await pause(clock, pauseMs(n))
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
    const entry: Entry = { record, bytes: bytesOf(record), deadline: monotonic(clock) + timeoutMs, done, over: false }
    this.#open.add(entry)
    this.#cancelLook ??= clock.after(LOOK_EVERY_MS, () => this.#expire())
    const queue = this.#queue(topic, partition)
    queue.waiting.push(entry)
    if (!queue.busy) this.#ready(queue)
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
      queue = newQueue(topic, partition)
      ofTopic.set(partition, queue)
    }
    return queue
  }

  #ready(queue: Queue): void {
    queue.busy = true
    if (this.#toSend.push(queue) === 1) real.queueMicrotask(() => this.#flush())
  }

  #flush(): void {
    const batches: Batch[] = []
    for (const queue of this.#toSend.splice(0)) {
      const entries = take(queue)
      if (entries.length > 0) batches.push({ queue, entries })
      else queue.busy = false
    }
    const located: (Batch & { readonly leader: number })[] = []
    for (const batch of batches) {
      const leader = this.#options.metadata.known(batch.queue.topic)?.[batch.queue.partition]
      if (leader !== undefined && leader >= 0) located.push({ ...batch, leader })
      else void this.#locate(batch) // never rejects
    }
    for (const [leader, of] of Map.groupBy(located, (batch) => batch.leader))
      for (const together of requests(of)) void this.#send(leader, together) // never rejects
  }

  /** Asks for the leader first. */
  async #locate(batch: Batch): Promise<void> {
    const { topic, partition } = batch.queue
    try {
      const leader = (await this.#options.metadata.leaders(topic))[partition]
      if (leader === undefined) throw new CorebusError('PARTITION', `topic ${topic} has no partition ${partition} any more`)
      if (leader < 0) throw new CorebusError('NO_LEADER', `no broker that is up has partition ${partition} of topic ${topic}`)
      await this.#send(leader, [batch])
    } catch (thrown) {
      await this.#refused(batch, thrown)
    }
  }

  async #send(leader: number, batches: readonly Batch[]): Promise<void> {
    const { client, time } = this.#options
    const now = Math.floor(time.now())
    const written = batches.flatMap((batch) => this.#write(batch, now))
    if (written.length === 0) return
    const parcels = written.map(({ parcel }) => parcel)
    const answers = await client.produce(leader, parcels).catch((thrown: unknown) => written.map(() => ({ error: asError(thrown) })))
    for (const [i, { batch }] of written.entries()) {
      const answer = answers[i]
      if (answer?.error)
        void this.#refused(batch, answer.error) // never rejects
      else this.#stored(batch, answer?.at ?? -1)
    }
  }

  /** The batch as bytes. Nothing when the client cannot write one of its records: smaller batches then find out which. */
  #write(batch: Batch, now: number): readonly { batch: Batch; parcel: Parcel }[] {
    const { queue, entries } = batch
    try {
      const bytes = encodeBatch(
        entries.map(({ record }) => record),
        now,
      )
      return [{ batch, parcel: { topic: queue.topic, partition: queue.partition, batch: bytes } }]
    } catch (thrown) {
      void this.#refused(batch, unwritable(asError(thrown))) // never rejects
      return []
    }
  }

  #stored({ queue, entries }: Batch, at: number): void {
    queue.failures = 0
    queue.most = Math.min(queue.most * 2, BATCH_RECORDS)
    this.#trouble = undefined
    for (const entry of entries) this.#end(entry, undefined, at)
    this.#ready(queue)
  }

  /** It is sent again, unless that cannot help. */
  async #refused({ queue, entries }: Batch, thrown: unknown): Promise<void> {
    const failed = await this.#failed(queue.topic, thrown)
    this.#trouble = failed.cause
    if (failed.permanent && entries.length === 1) for (const entry of entries) this.#end(entry, failed)
    else queue.waiting = [...entries, ...queue.waiting]
    // Of several together only one may be too large.
    if (failed.permanent) queue.most = Math.max(entries.length >> 1, 1)
    else await pause(this.#options.clock, waitMs(++queue.failures))
    this.#ready(queue)
  }

  async #failed(topic: string, thrown: unknown): Promise<Failed> {
    const { metadata, remake, time } = this.#options
    const failure = failureOf(thrown)
    if (failure.type === 'INVALID_TIMESTAMP' && (await time.correct())) return { permanent: false, cause: refused(failure) }
    metadata.forget(topic)
    if (isUnknownTopic(failure)) {
      const why = await remake(topic).then(
        () => undefined,
        (error: unknown) => asError(error),
      )
      if (why) return { permanent: isPermanent(failureOf(why)), cause: why }
    }
    return { permanent: isPermanent(failure), cause: refused(failure) }
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
    const now = monotonic(clock)
    for (const entry of this.#open) {
      if (entry.deadline > now) break
      const why = this.#trouble ? `: ${this.#trouble.message}` : ''
      const cause = new CorebusError('PUBLISH_TIMEOUT', `no confirm within ${timeoutMs} ms${why}; the message may still be on the broker`)
      this.#end(entry, { permanent: false, cause })
    }
    this.#cancelLook = this.#open.size > 0 ? clock.after(LOOK_EVERY_MS, () => this.#expire()) : undefined
  }
}

function unwritable(error: Error): CorebusError {
  return new CorebusError('UNWRITABLE', `Kafka: the message cannot be written: ${error.message}`, { cause: error })
}

function refused(failure: Failure): CorebusError {
  const tooLarge = failure.type === 'MESSAGE_TOO_LARGE' || failure.type === 'RECORD_LIST_TOO_LARGE'
  const code = tooLarge ? 'TOO_LARGE' : failure.type === '' ? 'CONNECTION_LOST' : 'REFUSED'
  return new CorebusError(code, `Kafka: ${inWords(failure)}`, { cause: failure.error })
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve))
}

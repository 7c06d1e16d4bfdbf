import { type Clock, monotonic, real, sleep } from '../../clock.ts'
import { asError, CorebusError } from '../../errors.ts'
import { backOff } from '../back-off.ts'
import { type Failure as Failed, PendingMessages, storeOne, type Waiter } from '../pending.ts'
import type { BrokerTime } from './broker-time.ts'
import { type Failure, failureOf, inWords, isForbidden, isPermanent, isUnknownTopic } from './failure.ts'
import type { Metadata } from './metadata.ts'
import { partitionOf } from './partition.ts'
import { bytesOf, type Client, encodeBatch, type Parcel, type RecordOut } from './protocol/client.ts'
import { BATCH_RECORDS, type Batch, type Entry, newQueue, type Queue, requests, take } from './publish-queue.ts'

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

/** What is published, and where to. */
export interface Outgoing {
  readonly id: string
  readonly topic: string
  readonly partition: number
  readonly record: RecordOut
}

interface Lookup {
  readonly count: Promise<number>
  /** Why it has not been answered yet. */
  trouble: Error | undefined
}

const waitMs = backOff({ firstMs: 50, maxMs: 500 })

/**
 * One queue and one batch out for each partition, so that its order is kept over every retry. What leaves in one turn for one broker goes in one
 * request. What is not confirmed by its deadline has failed, and may be on the broker; it is not sent again after that.
 */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #queues = new Map<string, Map<number, Queue>>()
  readonly #pending: PendingMessages<Entry>
  readonly #lookups = new Map<string, Lookup>()
  #turn = 0
  #toSend: Queue[] = []

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#pending = new PendingMessages({ clock: options.clock, trouble: ({ queue }) => queue.trouble })
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
    if (under) return under.count
    const known = this.#options.metadata.known(topic)
    if (known) return known.length
    const count = this.#lookup(topic)
    this.#lookups.set(topic, { count, trouble: undefined })
    const over = () => void real.setImmediate(() => this.#lookups.delete(topic))
    count.then(over, over)
    return count
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
        else if (isPermanent(failure) || this.#pending.isClosed || monotonic(clock) > deadline)
          throw isForbidden(failure) ? refused(failure) : failure.error
        const lookup = this.#lookups.get(topic)
        if (lookup) lookup.trouble = failure.error
        await sleep(clock, pauseMs(n))
      }
    }
  }

  /** Its waiter is told once: without a failure when every replica in sync has the record, otherwise at the latest at its deadline. */
  publish({ id, topic, partition, record }: Outgoing, waiter: Waiter<Entry>): void {
    const queue = this.#queue(topic, partition)
    const entry: Entry = {
      id,
      bytes: bytesOf(record),
      deadline: waiter.deadline,
      waiter,
      n: 0,
      over: false,
      record,
      queue,
      at: -1,
      previous: undefined,
      next: undefined,
    }
    if (!this.#pending.add(entry)) return
    queue.waiting.push(entry)
    if (!queue.busy) this.#ready(queue)
  }

  /** Resolves with when it was stored, where the broker says so. @throws the cause of its failure. */
  async store(topic: string, partition: number, record: RecordOut): Promise<number> {
    const { clock, timeoutMs } = this.#options
    const deadline = monotonic(clock) + timeoutMs
    const { at } = await storeOne<Entry>(deadline, (waiter) => this.publish({ id: '', topic, partition, record }, waiter))
    return at
  }

  /** Why what was published to a topic is not stored yet, where that is known. */
  trouble(topic: string): Error | undefined {
    const queues = [...(this.#queues.get(topic)?.values() ?? [])]
    return this.#lookups.get(topic)?.trouble ?? queues.find(({ trouble }) => trouble)?.trouble
  }

  /** Resolves when nothing is pending. */
  flush(): Promise<void> {
    return this.#pending.flush()
  }

  /** What is pending fails now, and so does what comes. */
  close(error: Error): void {
    this.#pending.close(error)
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
      else {
        queue.busy = false
        queue.trouble = undefined
      }
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
    queue.trouble = undefined
    for (const entry of entries) {
      entry.at = at
      this.#pending.end(entry)
    }
    this.#ready(queue)
  }

  /** It is sent again, unless that cannot help. */
  async #refused({ queue, entries }: Batch, thrown: unknown): Promise<void> {
    const failed = await this.#failed(queue.topic, thrown)
    // What is not sent again troubles nobody else.
    queue.trouble = failed.permanent && entries.length === 1 ? undefined : failed.cause
    if (failed.permanent && entries.length === 1) for (const entry of entries) this.#pending.end(entry, failed)
    else queue.waiting = [...entries, ...queue.waiting]
    // Of several together only one may be too large.
    if (failed.permanent) queue.most = Math.max(entries.length >> 1, 1)
    else await sleep(this.#options.clock, waitMs(++queue.failures))
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
}

function unwritable(error: Error): CorebusError {
  return new CorebusError('UNWRITABLE', `Kafka: the message cannot be written: ${error.message}`, { cause: error })
}

function refused(failure: Failure): CorebusError {
  const tooLarge = failure.type === 'MESSAGE_TOO_LARGE' || failure.type === 'RECORD_LIST_TOO_LARGE'
  const code = tooLarge ? 'TOO_LARGE' : isForbidden(failure) ? 'ACCESS_REFUSED' : failure.type === '' ? 'CONNECTION_LOST' : 'REFUSED'
  return new CorebusError(code, `Kafka: ${inWords(failure)}`, { cause: failure.error })
}

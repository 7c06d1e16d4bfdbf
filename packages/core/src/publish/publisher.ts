import { type Clock, Hold, monotonic, real } from '../clock.ts'
import { Pending } from '../collections/pending.ts'
import type { Driver, Message } from '../driver.ts'
import { asError, CorebusError, PublishError, type PublishFailure } from '../errors.ts'
import { answered, type Call, newCall, tell, tellExpired } from './call.ts'
import { type Batch, TopicQueue } from './queue.ts'
import { forTargets } from './targets.ts'

export interface PublisherOptions {
  /** Connected; called at every flush. A rejection fails what was to be published. */
  readonly driver: () => Promise<Driver>
  /** Declares a topic, once. */
  readonly ensureTopic: (topic: string) => Promise<void> | undefined
  /** Why nothing can be sent now; undefined while the broker is connected. */
  readonly away?: () => string | undefined
  /** Is told of each batch, all of one topic, that the broker has. It must not throw. */
  readonly onStored?: (driver: Driver, messages: readonly Message[]) => void
  /** What is for an exchange of others goes into the log of its topic: this broker has nothing of others. It must not throw. */
  readonly onAside?: (driver: Driver) => void
  readonly clock: Clock
  readonly timeoutMs: number
  readonly maxPending: number
}

/** A driver has the same deadline, and may be the one that meets it first. */
const AT_THE_DEADLINE_MS = 50

/**
 * Collects single publishes into batches that leave on the next microtask, so an idle producer adds no delay. One batch a topic is out at a time,
 * and a busy producer pays for a round trip once a batch; where the driver keeps the order of several by itself, none waits for another. Every
 * call has one deadline, which the driver is told and the caller meets here.
 */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #queues = new Map<string, TopicQueue>()
  readonly #hold: Hold
  readonly #calls: Pending<Call>
  #pending = 0
  #closed = false
  /** The one that was published to last: it may know why nothing is confirmed. */
  #driver: Driver | undefined

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#hold = new Hold(options.clock)
    this.#calls = new Pending({ clock: options.clock, onExpired: (calls) => this.#expire(calls) })
  }

  /** Resolves when the broker has every message; rejects with PublishError otherwise, at the latest after the time-out. Order is kept per topic. */
  publish(messages: readonly Message[]): Promise<void> {
    const { clock, timeoutMs, maxPending } = this.#options
    if (messages.length === 0) return Promise.resolve()
    if (this.#closed) return Promise.reject(refused(messages, 'CLOSED', 'this instance is closed'))
    if (this.#pending + messages.length > maxPending) {
      const why = `${messages.length} more would wait for their confirm beside ${this.#pending}, and at most ${maxPending} may (publish.maxPending)`
      return Promise.reject(refused(messages, 'BACKPRESSURE', why))
    }
    return new Promise((resolve, reject) => {
      const call = newCall(messages, monotonic(clock) + timeoutMs, { resolve, reject })
      if (this.#pending === 0) this.#hold.on()
      this.#pending += messages.length
      this.#calls.add(call)
      for (const message of messages) this.#enqueue(message, call)
    })
  }

  /** Messages that wait for their confirm. */
  get pending(): number {
    return this.#pending
  }

  /** Resolves when nothing is pending. What is published after this rejects. */
  async drain(): Promise<void> {
    this.#closed = true
    await this.#calls.atRest()
    this.#calls.stop()
    this.#hold.end()
  }

  #enqueue(message: Message, call: Call): void {
    const { topic, target } = message
    // No topic has this character in its name.
    const place = target ? `${topic}\0` : topic
    let queue = this.#queues.get(place)
    if (!queue) {
      queue = new TopicQueue(topic, target !== undefined)
      this.#queues.set(place, queue)
    }
    queue.push(message, call)
    this.#schedule(place, queue)
  }

  #schedule(place: string, queue: TopicQueue): void {
    if (queue.publishing || queue.scheduled) return
    queue.scheduled = true
    real.queueMicrotask(() => {
      queue.scheduled = false
      void this.#flush(place, queue) // never rejects
    })
  }

  async #flush(place: string, queue: TopicQueue): Promise<void> {
    if (queue.publishing) return
    queue.publishing = true
    while (queue.length > 0) {
      const to = await this.#connected(queue)
      const pipelined = to instanceof Error ? undefined : to.pipelinedBatch
      // Taken only now: what has expired while the broker was away must not be sent any more.
      const batch = queue.take(pipelined)
      if (batch.messages.length === 0) continue
      const publishing = this.#publishBatch(to, batch, queue)
      if (pipelined === undefined) await publishing
    }
    queue.publishing = false
    // Topics may be made of ids by mistake: a queue that rests is forgotten.
    this.#queues.delete(place)
  }

  async #connected({ topic, targeted }: TopicQueue): Promise<Driver | Error> {
    const { ensureTopic, driver } = this.#options
    try {
      const target = targeted ? await driver() : undefined
      // What belongs to others is not declared, and the topic of what is published there is only a name.
      const ensuring = target?.capabilities.sources ? undefined : ensureTopic(topic)
      if (ensuring) await ensuring
      this.#driver = target ?? (await driver())
      return this.#driver
    } catch (thrown) {
      return asError(thrown)
    }
  }

  /** Never rejects: what fails is told to its callers. */
  async #publishBatch(to: Driver | Error, batch: Batch, { targeted }: TopicQueue): Promise<void> {
    const { clock, onStored, onAside = () => undefined } = this.#options
    if (to instanceof Error) return this.#fail(batch, to)
    // The calls of a batch are in the order of their deadlines.
    const deadline = batch.calls.at(-1)?.deadline ?? 0
    try {
      const messages = targeted ? forTargets(to, batch.messages, onAside) : batch.messages
      await to.publish(messages, { withinMs: deadline - monotonic(clock) })
    } catch (thrown) {
      return this.#fail(batch, asError(thrown), monotonic(clock) + AT_THE_DEADLINE_MS)
    }
    if (!(targeted && to.capabilities.targets)) onStored?.(to, batch.messages)
    this.#confirm(batch)
  }

  #confirm({ messages, calls }: Batch): void {
    for (let i = 0; i < messages.length; i++) this.#answered(calls[i] as Call, messages[i] as Message, undefined)
  }

  /** A driver that fails when a call is due says why: its caller is told of the deadline, whichever of the two has met it first. */
  #fail({ messages, calls }: Batch, error: Error, due = Number.NEGATIVE_INFINITY): void {
    const known = error instanceof PublishError ? new Map(error.failures.map((failure) => [failure.id, failure])) : undefined
    for (const [i, message] of messages.entries()) {
      const call = calls[i] as Call
      const failure = known ? known.get(message.id) : { id: message.id, permanent: false, cause: error }
      if (failure && !failure.permanent && call.deadline <= due) this.#expireOne(call, failure.cause)
      else this.#answered(call, message, failure)
    }
  }

  #answered(call: Call, message: Message, failure: PublishFailure | undefined): void {
    if (call.over || !answered(call, message, failure)) return
    tell(call)
    this.#forget(call)
  }

  #forget(call: Call): void {
    this.#pending -= call.messages.length
    if (this.#pending === 0) this.#hold.off()
    this.#calls.end(call)
  }

  #expire(calls: readonly Call[]): void {
    for (const call of calls) this.#expireOne(call)
    for (const queue of this.#queues.values()) queue.dropExpired()
  }

  #expireOne(call: Call, why?: Error): void {
    if (call.over) return
    tellExpired(call, (message) => new CorebusError('PUBLISH_TIMEOUT', call.sent ? this.#unconfirmed(message, why) : this.#unsent()))
    this.#forget(call)
  }

  #unconfirmed({ topic, target }: Message, error: Error | undefined): string {
    const { away, timeoutMs } = this.#options
    // A driver's own word for the deadline says nothing beyond what it knows of the topic.
    const said = error instanceof CorebusError && error.code === 'PUBLISH_TIMEOUT' ? undefined : error?.message
    const why = away?.() ?? this.#driver?.trouble?.(topic, target)?.message ?? said
    return `no confirm within ${timeoutMs} ms (publish.timeoutMs)${why === undefined ? '' : `: ${why}`}; the message may still be on the broker`
  }

  #unsent(): string {
    const { away, timeoutMs } = this.#options
    return `not sent within ${timeoutMs} ms (publish.timeoutMs): ${away?.() ?? 'what was published to its topic before is not confirmed yet'}`
  }
}

function refused(messages: readonly Message[], code: string, why: string): PublishError {
  const cause = new CorebusError(code, why)
  return new PublishError(
    messages.map(({ id }) => ({ id, permanent: false, cause })),
    code,
  )
}

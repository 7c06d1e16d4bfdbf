import { type Clock, Hold, monotonic, real } from '../clock.ts'
import type { Driver, Message } from '../driver.ts'
import { asError, CorebusError, PublishError, type PublishFailure } from '../errors.ts'

/** One caller's messages, until each is confirmed or has failed. */
interface Call {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
  readonly deadline: number
  readonly messages: readonly Message[]
  /** What is confirmed or has failed; not kept for a single message. */
  readonly done: Set<Message> | undefined
  left: number
  failures: PublishFailure[] | undefined
  over: boolean
  /** Handed to a driver: from then on the broker may have it. */
  sent: boolean
}

/** Messages, each with the call it belongs to. */
interface Batch {
  messages: Message[]
  calls: Call[]
}

interface Queue extends Batch {
  publishing: boolean
  scheduled: boolean
}

export interface Publisher {
  /** Resolves when the broker has every message; rejects with PublishError otherwise, at the latest after the time-out. Order is kept per topic. */
  publish(messages: readonly Message[]): Promise<void>
  /** Resolves when nothing is pending. What is published after this rejects. */
  drain(): Promise<void>
}

export interface PublisherOptions {
  /** Connected; called at every flush. A rejection fails what was to be published. */
  readonly driver: () => Promise<Driver>
  /** Declares a topic, once. */
  readonly ensureTopic: (topic: string) => Promise<void> | undefined
  /** Why nothing can be sent now; undefined while the broker is connected. */
  readonly away?: () => string | undefined
  /** Is told of each batch, all of one topic, that the broker has. It must not throw. */
  readonly onStored?: (driver: Driver, messages: readonly Message[]) => void
  readonly clock: Clock
  readonly timeoutMs: number
  readonly maxPending: number
}

/** Largest batch handed to a driver: it bounds one transaction, one request, one script. */
const BATCH_MESSAGES = 1_000
const BATCH_BYTES = 4 * 1024 * 1024
const MOST_FINISHED = 1_000

/**
 * Collects single publishes into batches that leave on the next microtask, so an idle producer adds no delay. One batch a topic is out at a time,
 * and a busy producer pays for a round trip once a batch; where the driver keeps the order of several by itself, none waits for another.
 */
export function createPublisher({
  driver,
  ensureTopic,
  away = () => undefined,
  onStored = () => {},
  clock,
  timeoutMs,
  maxPending,
}: PublisherOptions): Publisher {
  const queues = new Map<string, Queue>()
  const hold = new Hold()
  // Oldest first: every call has the same time-out, so the first is the next to expire.
  let calls: Call[] = []
  let finished = 0
  let cancelTimer: (() => void) | undefined
  let pending = 0
  let closed = false
  const idle: (() => void)[] = []

  function publish(messages: readonly Message[]): Promise<void> {
    if (messages.length === 0) return Promise.resolve()
    if (closed) return Promise.reject(refused(messages, 'CLOSED', 'this instance is closed'))
    if (pending + messages.length > maxPending)
      return Promise.reject(
        refused(
          messages,
          'BACKPRESSURE',
          `${messages.length} more would wait for their confirm beside ${pending}, and at most ${maxPending} may (publish.maxPending)`,
        ),
      )
    return new Promise((resolve, reject) => {
      const call: Call = {
        resolve,
        reject,
        deadline: monotonic(clock) + timeoutMs,
        messages,
        done: messages.length === 1 ? undefined : new Set(),
        left: messages.length,
        failures: undefined,
        over: false,
        sent: false,
      }
      if (pending === 0) hold.on()
      pending += messages.length
      calls.push(call)
      if (!cancelTimer) armTimer()
      for (const message of messages) enqueue(message, call)
    })
  }

  function enqueue(message: Message, call: Call): void {
    let queue = queues.get(message.topic)
    if (!queue) {
      queue = { messages: [], calls: [], publishing: false, scheduled: false }
      queues.set(message.topic, queue)
    }
    queue.messages.push(message)
    queue.calls.push(call)
    schedule(message.topic, queue)
  }

  function schedule(topic: string, queue: Queue): void {
    if (queue.publishing || queue.scheduled) return
    queue.scheduled = true
    real.queueMicrotask(() => {
      queue.scheduled = false
      void flush(topic, queue) // never rejects
    })
  }

  async function flush(topic: string, queue: Queue): Promise<void> {
    if (queue.publishing) return
    queue.publishing = true
    while (queue.messages.length > 0) {
      const to = await connected(topic)
      const pipelined = to instanceof Error ? undefined : to.pipelinedBatch
      // Taken only now: what has timed out while the broker was away must not be sent any more.
      const batch = takeBatch(queue, pipelined ?? BATCH_MESSAGES)
      if (batch.messages.length === 0) continue
      const publishing = publishBatch(to, batch)
      if (pipelined === undefined) await publishing
    }
    queue.publishing = false
    // Topics may be made of ids by mistake: a queue that rests is forgotten.
    queues.delete(topic)
  }

  /** Never rejects: what fails is told to its callers. */
  async function publishBatch(to: Driver | Error, { messages, calls: owners }: Batch): Promise<void> {
    try {
      if (to instanceof Error) throw to
      await to.publish(messages)
      onStored(to, messages)
      confirm(messages, owners)
    } catch (thrown) {
      fail(messages, owners, asError(thrown))
    }
  }

  async function connected(topic: string): Promise<Driver | Error> {
    try {
      const ensuring = ensureTopic(topic)
      if (ensuring) await ensuring
      return await driver()
    } catch (thrown) {
      return asError(thrown)
    }
  }

  function takeBatch(queue: Queue, mostMessages: number): Batch {
    let bytes = 0
    let n = 0
    for (; n < queue.messages.length && n < mostMessages; n++) {
      bytes += (queue.messages[n] as Message).body.byteLength
      if (bytes > BATCH_BYTES && n > 0) break
    }
    const whole = n === queue.messages.length
    const messages = whole ? queue.messages : queue.messages.slice(0, n)
    const owners = whole ? queue.calls : queue.calls.slice(0, n)
    queue.messages = whole ? [] : queue.messages.slice(n)
    queue.calls = whole ? [] : queue.calls.slice(n)
    for (const call of owners) call.sent = true
    if (!owners.some((call) => call.over)) return { messages, calls: owners }
    // Its caller was told that it failed: it must not be published after that.
    const live = owners.map((call) => !call.over)
    return { messages: messages.filter((_, i) => live[i]), calls: owners.filter((_, i) => live[i]) }
  }

  function confirm(messages: readonly Message[], owners: readonly Call[]): void {
    for (let i = 0; i < messages.length; i++) one(owners[i] as Call, messages[i] as Message, undefined)
  }

  function fail(messages: readonly Message[], owners: readonly Call[], error: Error): void {
    const known = error instanceof PublishError ? new Map(error.failures.map((f) => [f.id, f])) : undefined
    for (let i = 0; i < messages.length; i++) {
      const message = messages[i] as Message
      const failure = known ? known.get(message.id) : { id: message.id, permanent: false, cause: error }
      one(owners[i] as Call, message, failure)
    }
  }

  function one(call: Call, message: Message, failure: PublishFailure | undefined): void {
    if (call.over) return
    if (failure) {
      call.failures ??= []
      call.failures.push(failure)
    }
    call.done?.add(message)
    if (--call.left === 0) end(call, call.failures && new PublishError(call.failures))
  }

  function end(call: Call, error: Error | undefined): void {
    call.over = true
    pending -= call.messages.length
    if (error) call.reject(error)
    else call.resolve()
    if (pending === 0) rest()
    else if (++finished > MOST_FINISHED && finished * 2 > calls.length) forgetFinished()
  }

  /** A producer that never rests would keep every message of the last `timeoutMs`. */
  function forgetFinished(): void {
    calls = calls.filter((call) => !call.over)
    finished = 0
  }

  function rest(): void {
    calls = []
    finished = 0
    cancelTimer?.()
    cancelTimer = undefined
    hold.off()
    for (const resolve of idle.splice(0)) resolve()
  }

  function armTimer(): void {
    forgetFinished()
    const [first] = calls
    cancelTimer = first && clock.after(Math.max(first.deadline - monotonic(clock), 1), expire)
  }

  const unconfirmed = `no confirm within ${timeoutMs} ms (publish.timeoutMs); the message may still be on the broker`

  function unsent(): string {
    return `not sent within ${timeoutMs} ms (publish.timeoutMs): ${away() ?? 'what was published to its topic before is not confirmed yet'}`
  }

  function expire(): void {
    const now = monotonic(clock)
    for (const call of calls) {
      if (call.deadline > now) break
      if (call.over) continue
      const cause = new CorebusError('PUBLISH_TIMEOUT', call.sent ? unconfirmed : unsent())
      const waiting = call.messages.filter((message) => !call.done?.has(message))
      const failures = waiting.map((message) => ({ id: message.id, permanent: false, cause }))
      end(call, new PublishError([...(call.failures ?? []), ...failures], 'PUBLISH_TIMEOUT'))
    }
    for (const queue of queues.values()) if (queue.messages.length > maxPending) dropFinished(queue)
    armTimer()
  }

  /** While the broker is away nothing is taken from a queue, and time-outs make room for more. */
  function dropFinished(queue: Queue): void {
    const live = queue.calls.map((call) => !call.over)
    queue.messages = queue.messages.filter((_, i) => live[i])
    queue.calls = queue.calls.filter((_, i) => live[i])
  }

  function drain(): Promise<void> {
    closed = true
    if (pending === 0) {
      hold.end()
      return Promise.resolve()
    }
    return new Promise((resolve) => {
      idle.push(() => {
        hold.end()
        resolve()
      })
    })
  }

  return { publish, drain }
}

function refused(messages: readonly Message[], code: string, why: string): PublishError {
  const cause = new CorebusError(code, why)
  return new PublishError(
    messages.map(({ id }) => ({ id, permanent: false, cause })),
    code,
  )
}

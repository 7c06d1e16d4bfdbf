import type { Message } from '../driver.ts'
import type { Call } from './call.ts'

/** Messages, each with the call it belongs to. */
export interface Batch {
  readonly messages: readonly Message[]
  readonly calls: readonly Call[]
}

/** A batch handed to a driver has at most so many messages and bytes: it bounds one transaction, one request, one script. */
const BATCH_MESSAGES = 1_000
const BATCH_BYTES = 4 * 1024 * 1024
/** A driver may send a batch until the deadline of its last call: no message is sent much later than its own caller was told that it failed. */
const DEADLINES_APART_MS = 250

/** What is to be published to one topic, in order; or, apart from it, what is for an exchange of others and has the topic only as its name. */
export class TopicQueue {
  readonly topic: string
  readonly targeted: boolean
  /** A flush of it is under way, or will be with the next microtask. */
  publishing = false
  scheduled = false
  #messages: Message[] = []
  #calls: Call[] = []

  constructor(topic: string, targeted: boolean) {
    this.topic = topic
    this.targeted = targeted
  }

  get length(): number {
    return this.#messages.length
  }

  push(message: Message, call: Call): void {
    this.#messages.push(message)
    this.#calls.push(call)
  }

  /** Takes the first messages. Empty when all of them have expired: its callers were told that it failed, so it must not be published after that. */
  take(mostMessages: number = BATCH_MESSAGES): Batch {
    let bytes = 0
    let n = 0
    const lastDeadline = (this.#calls[0]?.deadline ?? 0) + DEADLINES_APART_MS
    for (; n < this.#messages.length && n < mostMessages; n++) {
      if ((this.#calls[n] as Call).deadline > lastDeadline) break
      bytes += (this.#messages[n] as Message).body.byteLength
      if (bytes > BATCH_BYTES && n > 0) break
    }
    const whole = n === this.#messages.length
    const messages = whole ? this.#messages : this.#messages.slice(0, n)
    const calls = whole ? this.#calls : this.#calls.slice(0, n)
    this.#messages = whole ? [] : this.#messages.slice(n)
    this.#calls = whole ? [] : this.#calls.slice(n)
    for (const call of calls) call.sent = true
    return withoutExpired({ messages, calls })
  }

  /** While the broker is away nothing is taken, and what has expired has made room for more. */
  dropExpired(): void {
    if (!this.#calls.some((call) => call.over)) return
    const { messages, calls } = withoutExpired({ messages: this.#messages, calls: this.#calls })
    this.#messages = [...messages]
    this.#calls = [...calls]
  }
}

function withoutExpired(batch: Batch): Batch {
  if (!batch.calls.some((call) => call.over)) return batch
  const live = batch.calls.map((call) => !call.over)
  return { messages: batch.messages.filter((_, i) => live[i]), calls: batch.calls.filter((_, i) => live[i]) }
}

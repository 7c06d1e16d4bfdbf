import { Queue } from '../collections/queue.ts'
import { RenewedMap } from '../collections/renewed-map.ts'
import type { PendingMessage } from './pending.ts'

export interface SendWindowOptions {
  /** At most so many messages and bytes are in flight; one message always may be. */
  readonly messages: number
  readonly bytes: number
}

/** What waits to be sent on one connection, in publish order, and what is in flight there. */
export class SendWindow<E extends PendingMessage> {
  readonly #options: SendWindowOptions
  /** By their numbers, in the order in which they were sent. */
  readonly #inFlight = new RenewedMap<number, E>()
  #bytes = 0
  #waiting = new Queue<E>()

  constructor(options: SendWindowOptions) {
    this.#options = options
  }

  get isWaiting(): boolean {
    return this.#waiting.length > 0
  }

  get isIdle(): boolean {
    return this.#inFlight.size === 0
  }

  /** In the order in which they were sent. */
  inFlight(): Iterable<E> {
    return this.#inFlight.values()
  }

  push(entry: E): void {
    this.#waiting.push(entry)
  }

  /** To be sent again, in publish order. */
  again(entries: readonly E[]): void {
    this.#wait([...entries, ...this.#waiting].sort((a, b) => a.n - b.n))
  }

  /** What is to be sent now. Undefined when nothing waits, or as much is in flight as may be. */
  next(): E | undefined {
    if (this.#inFlight.size >= this.#options.messages || (this.#bytes >= this.#options.bytes && this.#inFlight.size > 0)) return undefined
    let entry = this.#waiting.peek()
    for (; entry?.over; entry = this.#waiting.peek()) this.#waiting.shift()
    return entry
  }

  /** The next one waits here no more. */
  shift(): void {
    this.#waiting.shift()
  }

  sent(entry: E): void {
    this.#inFlight.set(entry.n, entry)
    this.#bytes += entry.bytes
  }

  answered(entry: E): void {
    if (this.#inFlight.delete(entry.n)) this.#bytes -= entry.bytes
  }

  /** What was in flight on a connection that is lost. */
  lose(): readonly E[] {
    const left = [...this.#inFlight.values()]
    this.#inFlight.clear()
    this.#bytes = 0
    return left
  }

  /** While nothing can be sent, what has expired must not fill the line. */
  dropOver(): void {
    this.#wait([...this.#waiting].filter((entry) => !entry.over))
  }

  #wait(entries: readonly E[]): void {
    this.#waiting = new Queue()
    for (const entry of entries) this.#waiting.push(entry)
  }
}

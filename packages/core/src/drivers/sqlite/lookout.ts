import { type Clock, monotonic, real } from '../../clock.ts'
import type { Connection } from './connection.ts'
import type { Reader } from './reader.ts'
import type { Tail } from './tail.ts'
import type { Topic } from './topics.ts'
import type { Transaction } from './transaction.ts'

export interface LookoutOptions {
  readonly connection: Connection
  readonly clock: Clock
  /** Somebody here could handle what others hold, who may be dead. */
  readonly onStarved: () => void
}

/** All that waits for messages in this process, and the looks at the file that find some. */
export class Lookout {
  readonly #options: LookoutOptions
  readonly #readers = new Set<Reader>()
  readonly #tails = new Set<Tail>()
  #looking = false

  constructor(options: LookoutOptions) {
    this.#options = options
  }

  addReader(reader: Reader): void {
    this.#readers.add(reader)
    this.#options.connection.hungry(reader)
  }

  removeReader(reader: Reader): void {
    this.#readers.delete(reader)
  }

  addTail(tail: Tail): void {
    this.#tails.add(tail)
    tail.pump()
  }

  removeTail(tail: Tail): void {
    this.#tails.delete(tail)
  }

  /** In a new file. */
  restartTails(): void {
    for (const tail of this.#tails) tail.restart()
  }

  stopTails(): void {
    for (const tail of this.#tails) tail.stop()
  }

  /** Something is stored in the transaction. What is hungry eats of it before the commit; who only watches looks after it. */
  stored(topic: Topic, tx: Transaction): void {
    for (const reader of this.#readers) if (reader.topic === topic) this.#options.connection.hungry(reader)
    if (this.#tails.size > 0) tx.afterCommit(() => this.lookSoon())
  }

  /** A copy for that group falls due then: whoever reads the same must know. */
  dueBy({ group, topic }: Pick<Reader, 'group' | 'topic'>, at: number): void {
    for (const reader of this.#readers) if (reader.group === group && reader.topic === topic) reader.dueBy(at)
  }

  /** Once for all that asks in one round of the event loop. */
  lookSoon(): void {
    if (this.#looking || this.#readers.size + this.#tails.size === 0) return
    this.#looking = true
    real.setImmediate(() => {
      this.#looking = false
      this.look()
    })
  }

  look(): void {
    const { connection, clock } = this.#options
    if (!connection.isOpen) return
    for (const tail of this.#tails) tail.pump()
    // A busy file is looked at again a second later at most; nothing is decided here.
    void connection.read(() => this.#lookForAll(), monotonic(clock)).catch(() => {})
  }

  #lookForAll(): void {
    let starved = false
    for (const reader of this.#readers) {
      if (reader.look()) this.#options.connection.hungry(reader)
      starved ||= reader.isStarved
    }
    if (starved) this.#options.onStarved()
  }
}

import { type Linked, LinkedList } from '../../collections/linked-list.ts'
import type { Delivery } from '../../driver.ts'
import { type Entry, fromEntry } from './wire.ts'

/** Where an entry lies: on the topic's stream, or on the group's own. */
export type Which = 1 | 2

/** One membership, from joining to leaving or being lost. Its name is on everything the server holds for it. */
export interface Lease {
  readonly name: string
  /** When it was last confirmed, as far as we know: the moment it was asked for. */
  renewedAt: number
}

/** One delivery, bound to the membership it came to: for any other it is somebody else's message. */
export class Receipt implements Linked {
  readonly holdings: Holdings
  readonly which: Which
  readonly entry: Entry
  readonly delivery: Delivery
  state: 'out' | 'settling' | 'settled' | 'lost' = 'out'
  /** Its turn among those that were handed out; 0 is not yet. */
  turn = 0
  previous: Linked | undefined = undefined
  next: Linked | undefined = undefined

  constructor(holdings: Holdings, which: Which, entry: Entry, unsettledBefore: number) {
    this.holdings = holdings
    this.which = which
    this.entry = entry
    const { topic, stream } = holdings
    this.delivery = { message: fromEntry(entry, topic, stream), unsettledBefore, original: which === 1, receipt: this }
  }
}

export interface HoldingsOptions {
  readonly topic: string
  readonly stream: string
  readonly limit: number
  readonly onDeliveries: (deliveries: readonly Delivery[]) => void
  readonly onLost: (deliveries: readonly Delivery[]) => void
}

/** Past the oldest unsettled one, in limits; the rest is what may be under way. */
const SPAN_LIMITS = 50 - 2

/** What one member holds of one topic: handed out, or hidden until there is room. */
export class Holdings {
  readonly topic: string
  readonly stream: string
  readonly #options: HoldingsOptions
  /** In the order they came: what is handed out, and then what is hidden. */
  readonly #held = new LinkedList<Receipt>()
  /** How many are handed out and not settled. */
  #out = 0
  #hidden: Receipt[] = []
  #limit: number
  #turns = 0
  #stopped = false
  #waiting: (() => void)[] = []
  #settled: (() => void)[] = []

  constructor(options: HoldingsOptions) {
    this.#options = options
    this.topic = options.topic
    this.stream = options.stream
    this.#limit = options.limit
  }

  get size(): number {
    return this.#held.size
  }

  /** How many more may be handed out. */
  get free(): number {
    if (this.#stopped) return 0
    const oldest = this.#out > 0 ? this.#held.first : undefined
    const span = oldest ? SPAN_LIMITS * this.#limit - (this.#turns - oldest.turn) : Number.POSITIVE_INFINITY
    return Math.max(0, Math.min(this.#limit - this.#out, span))
  }

  /** The ids of what is held of one stream. */
  ids(which: Which): ReadonlySet<string> {
    const ids = new Set<string>()
    for (const receipt of this.#held) if (receipt.which === which) ids.add(receipt.entry.id)
    return ids
  }

  limit(deliveries: number): void {
    this.#limit = deliveries
    this.#handOut()
  }

  /** Takes what has come, and hands out as much as there is room for. */
  take(came: readonly { readonly which: Which; readonly entry: Entry; readonly unsettledBefore: number }[]): void {
    for (const { which, entry, unsettledBefore } of came) {
      const receipt = new Receipt(this, which, entry, unsettledBefore)
      this.#held.add(receipt)
      this.#hidden.push(receipt)
    }
    this.#handOut()
  }

  /** Resolves when there is room for more, no more is wanted, or somebody was woken. */
  room(): Promise<void> {
    if (this.free > 0 || this.#stopped) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** Whoever waits for room looks again. */
  wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  /** The server has let them go. */
  settle(receipts: readonly Receipt[]): void {
    for (const receipt of receipts) {
      if (receipt.state === 'lost') continue
      receipt.state = 'settled'
      this.#held.remove(receipt)
      this.#out--
    }
    this.#handOut()
    if (this.#held.size === 0) for (const resolve of this.#settled.splice(0)) resolve()
  }

  /** Nothing more is handed out. */
  stop(): void {
    this.#stopped = true
    this.wake()
  }

  /** What came and was never handed out, which is not held any more. */
  takeHidden(): readonly Receipt[] {
    const hidden = this.#hidden
    this.#hidden = []
    for (const receipt of hidden) {
      receipt.state = 'lost'
      this.#held.remove(receipt)
    }
    return hidden
  }

  /** Resolves when nothing is held. */
  settled(): Promise<void> {
    if (this.#held.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#settled.push(resolve))
  }

  /** All of it is somebody else's now. */
  lose({ said }: { readonly said: boolean }): void {
    const held = this.#held.clear()
    const lost = held.slice(0, this.#out).map(({ delivery }) => delivery)
    for (const receipt of held) receipt.state = 'lost'
    this.#out = 0
    this.#hidden = []
    for (const resolve of this.#settled.splice(0)) resolve()
    this.wake()
    if (said && lost.length > 0) this.#options.onLost(lost)
  }

  #handOut(): void {
    const room = this.#hidden.length > 0 ? this.free : 0
    if (room > 0) {
      const batch = this.#hidden.splice(0, room)
      for (const receipt of batch) {
        receipt.turn = ++this.#turns
      }
      this.#out += batch.length
      this.#options.onDeliveries(batch.map(({ delivery }) => delivery))
    }
    if (this.free > 0) this.wake()
  }
}

import { Queue } from '../../collections/queue.ts'
import type { Delivery, Message, SubscribeOptions } from '../../driver.ts'
import type { Group } from './group.ts'
import type { Lane } from './lane.ts'

/** A message as it is stored: one object for all groups, since nobody changes it. */
export interface Kept {
  readonly message: Message
  /** When it was published, ms since the epoch. */
  readonly at: number
  /** For another member than this one, while there is another with room. */
  readonly notFor?: Member
}

/** As on the other brokers: what was published stays as it was, whatever becomes of its publisher's bytes. */
export function ownCopy(message: Message): Message {
  return { ...message, headers: { ...message.headers }, body: Buffer.from(message.body) }
}

export function withHeaders(message: Message, headers: Message['headers']): Message {
  return { ...message, headers: { ...message.headers, ...headers } }
}

/** The window: a member never reads further than this many times its limit past the oldest message it has not settled. */
const WINDOW = 50

/** What a delivery carries of ours. It is settled, or handed back, once: by then it has no member. */
export class Receipt {
  member: Member | undefined
  readonly kept: Kept
  /** None without a key, and while the member has the group to itself. */
  lane: Lane | undefined
  /** Where in the group's sequence of deliveries it was handed out. */
  readonly position: number

  constructor(member: Member, kept: Kept, lane: Lane | undefined, position: number) {
    this.member = member
    this.kept = kept
    this.lane = lane
    this.position = position
  }
}

/** One subscription's part in one (topic, group): what it holds, and what is about to be handed to it. */
export class Member {
  readonly group: Group
  readonly exclusive: boolean
  unsettled = 0
  stopped = false
  /** Lanes of ours with messages that wait until we have room. May name a lane that is no longer ours. */
  readonly lanes: Queue<Lane> = new Queue()
  readonly #onDeliveries: SubscribeOptions['onDeliveries']
  #limit: number
  #batch: Delivery[] = []
  /** Handed out, in that order; the first is never a settled one once `hasRoom` was asked. */
  readonly #held: Queue<Receipt> = new Queue()

  constructor(group: Group, { exclusive, limit, onDeliveries }: Pick<SubscribeOptions, 'exclusive' | 'limit' | 'onDeliveries'>) {
    this.group = group
    this.exclusive = exclusive
    this.#limit = limit
    this.#onDeliveries = onDeliveries
  }

  get window(): number {
    return WINDOW * this.#limit
  }

  set limit(deliveries: number) {
    this.#limit = deliveries
    this.group.schedule()
  }

  hasRoom(position: number): boolean {
    if (this.stopped || this.unsettled >= this.#limit) return false
    let oldest = this.#held.peek()
    while (oldest && !oldest.member) {
      this.#held.shift()
      oldest = this.#held.peek()
    }
    return !oldest || position - oldest.position < this.window
  }

  take(kept: Kept, lane: Lane | undefined, position: number): void {
    const receipt = new Receipt(this, kept, lane, position)
    this.unsettled++
    this.#held.push(receipt)
    const { message } = kept
    // The core gives nobody these bytes, and handlers these headers.
    this.#batch.push({ message: { ...message, headers: { ...message.headers } }, unsettledBefore: 0, receipt })
  }

  deliver(): void {
    if (this.#batch.length === 0) return
    const batch = this.#batch
    this.#batch = []
    this.#onDeliveries(batch)
  }

  /** In the order they were handed out. */
  unsettledReceipts(): readonly Receipt[] {
    return [...this.#held].filter((receipt) => receipt.member)
  }

  /** Everything unsettled; none of it is ours any more. */
  giveUp(): readonly Receipt[] {
    const given = this.unsettledReceipts()
    for (const receipt of given) receipt.member = undefined
    this.#batch = []
    this.unsettled = 0
    return given
  }
}

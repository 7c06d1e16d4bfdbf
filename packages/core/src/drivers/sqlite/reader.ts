import type { Indexed } from '../../collections/bag.ts'
import type { Clock, Delivery, Message } from '../../driver.ts'
import { Claim } from './claim.ts'
import type { Connection } from './connection.ts'
import { NextDue } from './next-due.ts'
import type { Row } from './open-file.ts'
import { Outstanding } from './outstanding.ts'
import type { Eater } from './queue.ts'
import type { Range } from './range.ts'
import { Ranges } from './ranges.ts'
import type { Seat } from './seat.ts'
import { decodeMessage } from './stored.ts'
import type { Topic, Topics } from './topics.ts'
import type { Transaction } from './transaction.ts'

/** What a delivery is to us. Only what is out can be settled: once, and not after it was lost. */
export class Receipt implements Indexed {
  readonly reader: Reader
  readonly range: Range | undefined
  /** Its number in the partition; without a range its row among the delayed. */
  readonly n: number
  readonly delivery: Delivery
  index = -1
  #state: 'out' | 'settling' | 'over' = 'out'

  constructor(reader: Reader, range: Range | undefined, n: number, message: Message, unsettledBefore: number) {
    this.reader = reader
    this.range = range
    this.n = n
    this.delivery = { message, unsettledBefore, receipt: this }
  }

  get isOut(): boolean {
    return this.#state === 'out'
  }

  get isSettling(): boolean {
    return this.#state === 'settling'
  }

  /** Only of what is out. */
  beginSettling(): void {
    this.#state = 'settling'
  }

  /** It could not be settled; it may be tried again. */
  stopSettling(): void {
    this.#state = 'out'
  }

  /** It is settled, or lost. */
  end(): void {
    this.#state = 'over'
  }
}

export interface ReaderOptions extends Seat {
  readonly topics: Topics
  readonly limit: number
  readonly onDeliveries: (deliveries: readonly Delivery[]) => void
  readonly onLost: (deliveries: readonly Delivery[]) => void
  readonly onTrouble: (error: Error) => void
}

/** One (group, topic) of one subscription: which partitions it holds, what of them is out, and when something delayed falls due. */
export class Reader implements Seat, Eater {
  readonly connection: Connection
  readonly clock: Clock
  readonly group: string
  readonly topic: Topic
  readonly topicName: string
  readonly member: number
  readonly #options: ReaderOptions
  readonly #ranges: Ranges
  readonly #outstanding: Outstanding
  readonly #nextDue: NextDue
  #stopped = false
  /** The connection's generation when the file was read. */
  #lookedAt = -1

  constructor(options: ReaderOptions) {
    this.#options = options
    this.connection = options.connection
    this.clock = options.clock
    this.group = options.group
    this.topic = options.topic
    this.topicName = options.topicName
    this.member = options.member
    this.#ranges = new Ranges(this, (range) => this.#taken(range))
    this.#outstanding = new Outstanding(options.limit)
    this.#nextDue = new NextDue(this, this.#outstanding, () => this.connection.hungry(this))
  }

  /** Others hold what this one has room for. */
  get isStarved(): boolean {
    return this.#ranges.isStarved && !this.#outstanding.isFull && !this.#stopped
  }

  /** Reads what others may have changed. True when there is something for us to write. */
  look(): boolean {
    this.#refresh()
    const share = this.#share
    if (this.#ranges.isUneven(share)) return true
    if (this.#stopped || this.#outstanding.room <= 0) return false
    return this.#nextDue.isNow || this.#ranges.haveMore(this.#outstanding.limit)
  }

  /** Takes partitions, gives up what others should have, and hands out what there is room for, all in the transaction. */
  eat(tx: Transaction): void {
    this.#refresh()
    this.#ranges.balance(this.#share, tx)
    if (this.#stopped || this.#outstanding.room <= 0) return
    const { turn } = this.#ranges
    const claim = new Claim(this, { ranges: this.#ranges, outstanding: this.#outstanding, nextDue: this.#nextDue }, tx)
    tx.onRollback(() => {
      for (const receipt of claim.handed) this.#outstanding.remove(receipt)
      this.#ranges.turnBackTo(turn)
    })
    claim.handOut()
    if (claim.handed.length > 0) tx.afterCommit(() => this.#options.onDeliveries(claim.handed.map(({ delivery }) => delivery)))
  }

  trouble(error: Error): void {
    this.#options.onTrouble(error)
  }

  /** `row` is of a partition that is ours, or without one of the delayed. */
  hand(range: Range | undefined, n: number, row: Row, unsettledBefore: number): Receipt {
    const receipt = new Receipt(this, range, n, decodeMessage(row, 1, this.topicName), unsettledBefore)
    this.#outstanding.add(receipt)
    return receipt
  }

  /** In the transaction that stores what becomes of it. */
  settle(receipt: Receipt, tx: Transaction): void {
    receipt.range?.settle(receipt.n, tx)
    this.#outstanding.remove(receipt)
  }

  /** The transaction in which it was settled is undone. */
  unsettle(receipt: Receipt): void {
    this.#outstanding.add(receipt)
  }

  /** A copy of that group's falls due then. */
  dueBy(at: number): void {
    this.#nextDue.by(at)
  }

  limitTo(deliveries: number): void {
    this.#outstanding.limitTo(deliveries)
    this.connection.hungry(this)
  }

  /** Nothing more is handed out. What is out can still be settled. */
  stop(): void {
    this.#stopped = true
    this.#nextDue.stop()
  }

  /** Gives back its partitions, and what is out of them, uncounted. */
  handBack(tx: Transaction): void {
    for (const range of [...this.#ranges]) {
      this.#ranges.handBack(range, tx)
      tx.afterCommit(() => this.#outstanding.lose(range.lose()))
    }
  }

  /** The file is gone, and everything with it. @returns what was out */
  lose(): readonly Delivery[] {
    const lost = [...this.#ranges].flatMap((range) => {
      this.#ranges.forget(range)
      return this.#outstanding.lose(range.lose())
    })
    this.#nextDue.stop()
    this.connection.notHungry(this)
    return [...lost, ...this.#outstanding.loseDelayed()]
  }

  /** Partitions that are ours to have. */
  get #share(): number {
    return this.#stopped || this.#outstanding.limit === 0 ? 0 : this.#ranges.fairShare
  }

  #refresh(): void {
    if (this.#lookedAt === this.connection.generation) return
    this.#options.topics.refresh(this.topic)
    this.#ranges.read()
    this.#nextDue.read()
    this.#lookedAt = this.connection.generation
  }

  #taken(range: Range): void {
    this.#ranges.forget(range)
    const lost = this.#outstanding.lose(range.lose())
    this.connection.changed()
    if (lost.length > 0) this.#options.onLost(lost)
  }
}

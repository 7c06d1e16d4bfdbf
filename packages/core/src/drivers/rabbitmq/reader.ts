import type { ChannelModel } from 'amqplib'
import { type Clock, real, sleep } from '../../clock.ts'
import { LinkedList } from '../../collections/linked-list.ts'
import type { Delivery, Message } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { Acks } from './acks.ts'
import { closeChannel } from './close-channel.ts'
import { Credit, type Step } from './credit.ts'
import type { Line } from './line.ts'
import type { Address } from './names.ts'
import { tagged } from './read-up-to.ts'
import { Receipt } from './receipt.ts'
import type { Raw } from './wire.ts'

export interface ReaderOptions {
  readonly topic: string
  readonly group: string
  readonly queue: string
  /** Where its messages are published as a rule. */
  readonly home: Address
  /** It comes from where users publish, and is none of our copies. */
  readonly isOriginal: (raw: Raw) => boolean
  readonly limit: number
  readonly clock: Clock
  readonly unsettledBefore: (raw: Raw) => number
  readonly onDeliveries: (deliveries: readonly Delivery[]) => void
  readonly onLost: (deliveries: readonly Delivery[]) => void
  /** The channel is gone, with everything that was out. */
  readonly onClosed: (error: Error) => void
}

/** Past the oldest unsettled one, in limits; the last two are what may be under way. */
const SPAN_LIMITS = 50 - 2
const SPAN_RESUMES_LIMITS = 25
const MOST_PREFETCH = 65_535
const ABSORBED_AT_ONCE = 100
const LOOK_EVERY_MS = 5
const MOST_LOOKS = 100

/**
 * Consumes one queue on a channel of its own, with one consumer at a time: of two the broker keeps no common order. The broker never changes
 * a consumer's prefetch, so another limit is another consumer.
 */
export class Reader {
  readonly topic: string
  readonly group: string
  readonly home: Address
  readonly isOriginal: ReaderOptions['isOriginal']
  readonly #options: ReaderOptions
  /** In the order of their tags. */
  readonly #held = new LinkedList<Receipt>()
  #line: Line | undefined
  #consumers = 0
  #limit: number
  #stopped = false
  #absorbing = 0
  #tooFarAhead = false
  #batch: Receipt[] = []
  #regulating: Promise<void> | undefined
  #settled: (() => void)[] = []

  constructor(options: ReaderOptions) {
    this.#options = options
    this.topic = options.topic
    this.group = options.group
    this.home = options.home
    this.isOriginal = options.isOriginal
    this.#limit = Math.min(options.limit, MOST_PREFETCH)
  }

  get isOpen(): boolean {
    return this.#line?.open === true
  }

  /** Nothing is out. */
  get isIdle(): boolean {
    return this.#held.size === 0
  }

  /** Nothing is out, and nothing can come: it has no consumer. */
  get isAtRest(): boolean {
    return this.isIdle && !this.#regulating && this.#line?.credit.isRunning !== true
  }

  /** Everything not settled, oldest first. */
  get held(): readonly Receipt[] {
    return [...this.#held]
  }

  /** @throws what the broker says of the queue. */
  async open(model: ChannelModel): Promise<void> {
    const channel = await model.createChannel()
    const credit = new Credit()
    const { clock } = this.#options
    const acks = new Acks({ channel, clock, lowestOut: () => this.#lowest(line), onSent: (tags) => this.#sent(line, tags) })
    const line: Line = { channel, credit, acks, newest: 0, consumer: '', open: false }
    let cause: Error = new CorebusError('CONNECTION_LOST', 'the connection to RabbitMQ is lost')
    channel.on('error', (error: Error) => {
      cause = error
    })
    channel.on('close', () => this.#lose(line, cause))
    this.#line = line
    this.#tooFarAhead = false
    await this.#regulate()
    if (this.#line !== line) throw cause
    line.open = true
  }

  limit(deliveries: number): void {
    this.#limit = Math.min(deliveries, MOST_PREFETCH)
    this.#regulateSoon()
  }

  /** Nothing more reaches the core from now on; resolves when nothing more comes. What came in between is held, and hidden. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#batch = []
    // A channel that is gone brings nothing either.
    await this.#regulate().catch(() => {})
  }

  /**
   * After the stop: takes what came back before and is not here yet. The broker puts what it takes back behind what it took back before, so
   * an order is kept only if all of it goes back together.
   */
  async absorb(): Promise<void> {
    for (let before = -1; before < this.#held.size; ) {
      before = this.#held.size
      const newest = this.#held.last
      if (!newest?.raw.fields.redelivered) return
      this.#absorbing = 4 * this.#held.size + ABSORBED_AT_ONCE
      await this.#regulate()
      this.#absorbing = 0
      await this.#regulate()
    }
  }

  /** Acknowledges what is still ours of these. Resolves when that has been sent. */
  async acknowledge(receipts: readonly Receipt[]): Promise<void> {
    const ours = receipts.filter(({ state }) => state === 'out' || state === 'settling')
    if (ours.length === 0) return
    for (const receipt of ours) {
      receipt.state = 'settled'
      this.#held.remove(receipt)
    }
    await this.#line?.acks.send(ours.map(({ tag }) => tag))
    if (this.#held.size === 0) for (const resolve of this.#settled.splice(0)) resolve()
  }

  /** Hands out again what no place is declared for to wait in: it never leaves us. @returns false once nothing is handed out any more */
  handOutAgain(receipt: Receipt, headers: Message['headers']): boolean {
    if (this.#stopped) return false
    if (receipt.state === 'settling') this.#options.onDeliveries([receipt.again(headers)])
    return true
  }

  /** Back into a queue of others, where it was. Its broker may count that. */
  requeue(receipts: readonly Receipt[]): void {
    const line = this.#line
    for (const receipt of receipts) {
      if (receipt.state !== 'out' && receipt.state !== 'settling') continue
      receipt.state = 'settled'
      this.#held.remove(receipt)
      line?.channel.nack(tagged(receipt.tag), false, true)
      line?.credit.acknowledged(receipt.tag)
    }
    this.#regulateSoon()
    if (this.#held.size === 0) for (const resolve of this.#settled.splice(0)) resolve()
  }

  /** Resolves when nothing is held. */
  settled(): Promise<void> {
    if (this.#held.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#settled.push(resolve))
  }

  async close(): Promise<void> {
    const line = this.#line
    await line?.acks.heard()
    this.#forget()
    if (line) await closeChannel(line.channel)
  }

  #lowest(line: Line | undefined): number {
    // Of a line that is gone nothing may be said any more.
    if (line !== this.#line) return 0
    return this.#held.first?.tag ?? Number.POSITIVE_INFINITY
  }

  #receive(line: Line, raw: Raw | null): void {
    if (line !== this.#line) return
    if (!raw) {
      // The broker cancelled the consumer: its queue is gone, and what was out with it.
      this.#lose(
        line,
        new CorebusError('QUEUE_GONE', `the queue ${this.#options.queue} was deleted, or its consumer cancelled by the broker`),
      )
      line.channel.close().catch(() => {}) // closed already: that is what was wanted
      return
    }
    const receipt = new Receipt(this, raw, this.#options.unsettledBefore(raw))
    line.newest = receipt.tag
    line.credit.delivered()
    this.#held.add(receipt)
    if (this.#stopped) return
    if (this.#batch.length === 0) real.queueMicrotask(() => this.#handOut())
    this.#batch.push(receipt)
    if (this.#tooFarAhead || receipt.tag - this.#lowest(line) < SPAN_LIMITS * this.#limit) return
    this.#tooFarAhead = true
    this.#regulateSoon()
  }

  #handOut(): void {
    const batch = this.#batch
    this.#batch = []
    if (batch.length === 0) return
    for (const receipt of batch) receipt.hidden = false
    this.#options.onDeliveries(batch.map(({ delivery }) => delivery))
  }

  #sent(line: Line, tags: readonly number[]): void {
    for (const tag of tags) line.credit.acknowledged(tag)
    const span = line.newest - this.#lowest(line)
    if (this.#tooFarAhead && span < SPAN_RESUMES_LIMITS * this.#limit) this.#tooFarAhead = false
    this.#regulateSoon()
  }

  #lose(line: Line, error: Error): void {
    if (line !== this.#line) return
    const lost = this.held.filter(({ hidden }) => !hidden).map(({ delivery }) => delivery)
    this.#forget()
    if (lost.length > 0) this.#options.onLost(lost)
    // Otherwise whoever opens it hears of it.
    if (line.open) this.#options.onClosed(error)
  }

  #forget(): void {
    const line = this.#line
    this.#line = undefined
    line?.acks.release()
    this.#batch = []
    for (const receipt of this.#held.clear()) receipt.state = 'lost'
    for (const resolve of this.#settled.splice(0)) resolve()
  }

  #next(): Step {
    const limit = this.#stopped ? this.#absorbing : this.#tooFarAhead ? 0 : this.#limit
    return this.#line?.credit.next(limit) ?? 'stay'
  }

  #regulateSoon(): void {
    // What fails here closes the channel, and that is seen to.
    this.#regulate().catch(() => {})
  }

  #regulate(): Promise<void> {
    if (!this.#regulating && this.#next() !== 'stay') this.#regulating = this.#takeSteps()
    return this.#regulating ?? Promise.resolve()
  }

  async #takeSteps(): Promise<void> {
    try {
      for (let step = this.#next(); step !== 'stay'; step = this.#next())
        if (this.#line) await (step === 'cancel' ? this.#endConsumer(this.#line) : this.#beginConsumer(this.#line, step.consume))
    } finally {
      // In the same moment as the last look: whoever asks next begins anew.
      this.#regulating = undefined
    }
  }

  async #beginConsumer(line: Line, prefetch: number): Promise<void> {
    const { channel, credit } = line
    await channel.prefetch(prefetch)
    line.consumer = `${this.group}-${process.pid}-${++this.#consumers}`
    credit.begin(prefetch, line.newest)
    await channel.consume(this.#options.queue, (raw) => this.#receive(line, raw), { consumerTag: line.consumer })
  }

  /** What is on its way to a consumer when it is cancelled goes back, counted as a crash. So nothing may be on its way. */
  async #endConsumer(line: Line): Promise<void> {
    const { channel, credit, acks } = line
    acks.withhold()
    try {
      for (let look = 0; look < MOST_LOOKS && !credit.used; look++) {
        const { messageCount } = await channel.checkQueue(this.#options.queue)
        if (messageCount === 0) break
        await sleep(this.#options.clock, LOOK_EVERY_MS)
      }
      await channel.cancel(line.consumer)
      credit.end()
    } finally {
      acks.release()
    }
  }
}

import type { Channel, ChannelModel } from 'amqplib'
import type { Delivery } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { Credit, type Step } from './credit.ts'
import { fromAmqp, type Raw, unsettledBefore } from './wire.ts'

/** One delivery, bound to the channel it came on: on any other its number means somebody else's message. */
export class Receipt {
  readonly reader: Reader
  readonly tag: number
  readonly raw: Raw
  readonly delivery: Delivery
  state: 'out' | 'settling' | 'settled' | 'lost' = 'out'
  /** The core has not seen it. */
  hidden = true

  constructor(reader: Reader, raw: Raw) {
    this.reader = reader
    this.tag = raw.fields.deliveryTag
    this.raw = raw
    this.delivery = { message: fromAmqp(raw, reader.topic), unsettledBefore: unsettledBefore(raw), receipt: this }
  }
}

export interface ReaderOptions {
  readonly topic: string
  readonly group: string
  readonly queue: string
  readonly limit: number
  readonly onDeliveries: (deliveries: readonly Delivery[]) => void
  readonly onLost: (deliveries: readonly Delivery[]) => void
  /** The channel is gone, with everything that was out. */
  readonly onClosed: (error: Error) => void
}

/** Past the oldest unsettled one, in limits; the last two are what may be under way. */
const SPAN_LIMITS = 50 - 2
const SPAN_RESUMES_LIMITS = 25
const MOST_PREFETCH = 65_535

/**
 * Consumes one queue on a channel of its own, with one consumer at a time: of two the broker keeps no common order. The broker never changes
 * a consumer's prefetch, so another limit is another consumer.
 */
export class Reader {
  readonly topic: string
  readonly group: string
  readonly #options: ReaderOptions
  readonly #credit = new Credit()
  /** By tag, in the order of their tags. */
  readonly #held = new Map<number, Receipt>()
  #channel: Channel | undefined
  #open = false
  #consumer = ''
  #consumers = 0
  #newest = 0
  #limit: number
  #stopped = false
  #tooFarAhead = false
  #batch: Receipt[] = []
  #regulating: Promise<void> | undefined
  #settled: (() => void)[] = []

  constructor(options: ReaderOptions) {
    this.#options = options
    this.topic = options.topic
    this.group = options.group
    this.#limit = options.limit
  }

  get isOpen(): boolean {
    return this.#open
  }

  /** Everything not settled, oldest first. */
  get held(): readonly Receipt[] {
    return [...this.#held.values()]
  }

  /** @throws what the broker says of the queue. */
  async open(model: ChannelModel): Promise<void> {
    const channel = await model.createChannel()
    let cause: Error = new CorebusError('CONNECTION_LOST', 'the connection to RabbitMQ is lost')
    channel.on('error', (error: Error) => {
      cause = error
    })
    channel.on('close', () => this.#lose(channel, cause))
    this.#credit.reset()
    this.#newest = 0
    this.#tooFarAhead = false
    this.#channel = channel
    await this.#regulate()
    if (this.#channel !== channel) throw cause
    this.#open = true
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

  /** Acknowledges what is still ours of these; up to the lowest unfinished tag with one word. */
  acknowledge(receipts: readonly Receipt[]): void {
    const ours = receipts.filter(({ state }) => state === 'out' || state === 'settling')
    for (const receipt of ours) {
      receipt.state = 'settled'
      this.#held.delete(receipt.tag)
      this.#credit.settled(receipt.tag)
    }
    const [lowest = Number.POSITIVE_INFINITY] = this.#held.keys()
    const through = ours.reduce((highest, { tag }) => (tag < lowest && tag > highest ? tag : highest), 0)
    if (through > 0) this.#ack(through, true)
    for (const { tag } of ours) if (tag > through) this.#ack(tag, false)
    this.#afterSettling()
  }

  /** Resolves when nothing is held. */
  settled(): Promise<void> {
    if (this.#held.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#settled.push(resolve))
  }

  async close(): Promise<void> {
    const channel = this.#channel
    this.#forget()
    // Its connection may be gone.
    await channel?.close().catch(() => {})
  }

  #ack(tag: number, allUpTo: boolean): void {
    try {
      this.#channel?.ack({ fields: { deliveryTag: tag } } as Parameters<Channel['ack']>[0], allUpTo)
    } catch {
      // The channel is closing: the message comes again, to whoever is next.
    }
  }

  #receive(channel: Channel, raw: Raw | null): void {
    if (channel !== this.#channel) return
    // The broker cancelled the consumer: its queue is gone, and what was out with it.
    if (!raw) {
      this.#cancelled(channel)
      return
    }
    const receipt = new Receipt(this, raw)
    this.#newest = receipt.tag
    this.#held.set(receipt.tag, receipt)
    if (this.#stopped) return
    if (this.#batch.length === 0) queueMicrotask(() => this.#handOut())
    this.#batch.push(receipt)
    const [oldest = receipt.tag] = this.#held.keys()
    if (this.#tooFarAhead || receipt.tag - oldest < SPAN_LIMITS * this.#limit) return
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

  #afterSettling(): void {
    const [oldest = this.#newest] = this.#held.keys()
    if (this.#tooFarAhead && this.#newest - oldest < SPAN_RESUMES_LIMITS * this.#limit) this.#tooFarAhead = false
    this.#regulateSoon()
    if (this.#held.size === 0) for (const resolve of this.#settled.splice(0)) resolve()
  }

  #cancelled(channel: Channel): void {
    this.#lose(
      channel,
      new CorebusError('QUEUE_GONE', `the queue ${this.#options.queue} was deleted, or its consumer cancelled by the broker`),
    )
    channel.close().catch(() => {}) // closed already: that is what was wanted
  }

  #lose(channel: Channel, error: Error): void {
    if (channel !== this.#channel) return
    const lost = this.held.filter(({ hidden }) => !hidden).map(({ delivery }) => delivery)
    const wasOpen = this.#open
    this.#forget()
    if (lost.length > 0) this.#options.onLost(lost)
    // Otherwise whoever opens it hears of it.
    if (wasOpen) this.#options.onClosed(error)
  }

  #forget(): void {
    this.#channel = undefined
    this.#open = false
    this.#batch = []
    for (const receipt of this.#held.values()) receipt.state = 'lost'
    this.#held.clear()
    for (const resolve of this.#settled.splice(0)) resolve()
  }

  #next(): Step {
    if (!this.#channel) return 'stay'
    return this.#credit.next(this.#stopped || this.#tooFarAhead ? 0 : this.#limit, this.#held.size)
  }

  #regulateSoon(): void {
    if (this.#next() === 'stay') return
    // What fails here closes the channel, and that is seen to.
    this.#regulate().catch(() => {})
  }

  #regulate(): Promise<void> {
    if (!this.#regulating && this.#next() !== 'stay') this.#regulating = this.#takeSteps()
    return this.#regulating ?? Promise.resolve()
  }

  async #takeSteps(): Promise<void> {
    try {
      for (let step = this.#next(); step !== 'stay'; step = this.#next()) await this.#take(step)
    } finally {
      // In the same moment as the last look: whoever asks next begins anew.
      this.#regulating = undefined
    }
  }

  async #take(step: 'cancel' | { readonly consume: number }): Promise<void> {
    const channel = this.#channel
    if (!channel) return
    if (step === 'cancel') {
      await channel.cancel(this.#consumer)
      if (channel === this.#channel) this.#credit.end()
      return
    }
    await channel.prefetch(step.consume)
    if (channel !== this.#channel) return
    this.#consumer = `${this.group}-${process.pid}-${++this.#consumers}`
    this.#credit.begin(step.consume, this.#held.size, this.#newest)
    await channel.consume(this.#options.queue, (raw) => this.#receive(channel, raw), { consumerTag: this.#consumer })
  }
}

import type { ChannelModel } from 'amqplib'
import { type Done, PublishChannel, type PublishChannelOptions } from './publish-channel.ts'
import type { Target } from './target.ts'
import type { Outgoing } from './wire.ts'

/** Who publishes to more places than this, or than the broker allows channels, shares the last one. */
const MOST_CHANNELS = 200

/**
 * Publishes to each place by a channel of its own: RabbitMQ holds a channel up, for a minute and more, while one queue that it publishes to answers
 * nothing (a quorum queue without a leader), and all that is published there for other places with it.
 */
export class Publisher {
  readonly #options: PublishChannelOptions
  readonly #channels = new Map<string, PublishChannel>()
  #last: PublishChannel | undefined
  #model: ChannelModel | undefined
  #most = MOST_CHANNELS
  #trouble: Error | undefined
  #blocked: Error | undefined
  #closed: Error | undefined

  constructor(options: PublishChannelOptions) {
    this.#options = options
  }

  /** `done` is called once: without a failure when the broker has the message, otherwise at the latest after the time-out. */
  publish(target: Target, outgoing: Outgoing, done: Done): void {
    this.#channelTo(target).publish(target, outgoing, done)
  }

  /** The same as a promise. @throws the cause of its failure. */
  store(target: Target, outgoing: Outgoing): Promise<void> {
    return new Promise((resolve, reject) => this.publish(target, outgoing, (failure) => (failure ? reject(failure.cause) : resolve())))
  }

  up(model: ChannelModel): void {
    this.#model = model
    this.#blocked = undefined
    // What the broker and the client have agreed on; the client does not declare it.
    const { channelMax = 0 } = model.connection as { readonly channelMax?: number }
    this.#most = Math.min(MOST_CHANNELS, channelMax || MOST_CHANNELS)
    for (const channel of this.#channels.values()) channel.up(model)
  }

  down(error: Error): void {
    this.#model = undefined
    this.#trouble = error
    this.#blocked = undefined
    for (const channel of this.#channels.values()) channel.down(error)
  }

  block(error: Error | undefined): void {
    this.#blocked = error
    for (const channel of this.#channels.values()) channel.block(error)
  }

  /** Resolves when nothing is pending. */
  async flush(): Promise<void> {
    await Promise.all([...this.#channels.values()].map((channel) => channel.flush()))
  }

  /** What is pending fails now, and so does what comes. */
  close(error: Error): void {
    this.#closed = error
    for (const channel of this.#channels.values()) channel.close(error)
  }

  #channelTo({ exchange, routingKey }: Target): PublishChannel {
    // All that waits so long waits in one queue, whichever group it goes back to.
    const place = exchange === '' ? `:${routingKey}` : exchange
    const before = this.#channels.get(place)
    if (before) return before
    if (this.#last && this.#channels.size >= this.#most) return this.#last
    const channel = new PublishChannel(this.#options)
    if (this.#closed) channel.close(this.#closed)
    else if (this.#model) channel.up(this.#model)
    else if (this.#trouble) channel.down(this.#trouble)
    if (this.#blocked) channel.block(this.#blocked)
    this.#channels.set(place, channel)
    this.#last = channel
    return channel
  }
}

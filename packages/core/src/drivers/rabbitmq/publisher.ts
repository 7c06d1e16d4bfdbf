import type { ChannelModel } from 'amqplib'
import { type Clock, monotonic } from '../../clock.ts'
import { storeOne, type Waiter } from '../pending.ts'
import { PublishChannel } from './publish-channel.ts'
import type { Target } from './target.ts'
import type { Outgoing } from './wire.ts'

export interface PublisherOptions {
  readonly clock: Clock
  readonly timeoutMs: number
}

/** Who publishes to more places than this, or than the broker allows channels, shares the last one. */
const MOST_CHANNELS = 200

/**
 * Publishes to each place by a channel of its own: RabbitMQ holds a channel up, for a minute and more, while one queue that it publishes to answers
 * nothing (a quorum queue without a leader), and all that is published there for other places with it.
 */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #channels = new Map<string, PublishChannel>()
  #last: PublishChannel | undefined
  #model: ChannelModel | undefined
  #most = MOST_CHANNELS
  #trouble: Error | undefined
  #blocked: Error | undefined
  #closed: Error | undefined

  constructor(options: PublisherOptions) {
    this.#options = options
  }

  /** Its waiter is told once: without a failure when the broker has the message, otherwise at the latest at its deadline. */
  publish(target: Target, outgoing: Outgoing, waiter: Waiter): void {
    this.#channelTo(target).publish(target, outgoing, waiter)
  }

  /** Resolves when the broker has it. @throws the cause of its failure. */
  async store(target: Target, outgoing: Outgoing): Promise<void> {
    const { clock, timeoutMs } = this.#options
    await storeOne(monotonic(clock) + timeoutMs, (waiter) => this.publish(target, outgoing, waiter))
  }

  /** Why what was published to a place is not confirmed yet, where that is known. */
  trouble(target: Target): Error | undefined {
    return this.#knownFor(placeOf(target))?.trouble(target) ?? this.#blocked
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

  #knownFor(place: string): PublishChannel | undefined {
    return this.#channels.get(place) ?? (this.#channels.size >= this.#most ? this.#last : undefined)
  }

  #channelTo(target: Target): PublishChannel {
    const place = placeOf(target)
    const before = this.#knownFor(place)
    if (before) return before
    const channel = new PublishChannel(this.#options.clock)
    if (this.#closed) channel.close(this.#closed)
    else if (this.#model) channel.up(this.#model)
    else if (this.#trouble) channel.down(this.#trouble)
    if (this.#blocked) channel.block(this.#blocked)
    this.#channels.set(place, channel)
    this.#last = channel
    return channel
  }
}

/** All that waits so long waits in one queue, whichever group it goes back to. */
function placeOf({ exchange, routingKey, headers, channel }: Target): string {
  if (channel !== undefined) return channel
  if (headers) return `${exchange} ${JSON.stringify(headers)}`
  return exchange === '' ? `:${routingKey}` : exchange
}

import type { Channel, ChannelModel, Options } from 'amqplib'
import { held } from '../../clock.ts'
import { CorebusError } from '../../errors.ts'
import { closeChannel } from './close-channel.ts'
import { closed, type Link } from './connection.ts'
import { refusalOf } from './failure.ts'
import { type RedoOptions, redo } from './redo.ts'

/**
 * A channel for declarations and questions. The broker answers a wrong one by closing the channel, so nothing else may share it; they
 * follow one another, so that an error is told to whoever caused it.
 */
export class Declarer {
  readonly #link: Link
  readonly #options: RedoOptions
  #channel: Channel | undefined
  #model: ChannelModel | undefined
  #last: Promise<unknown> = Promise.resolve()

  /** `signal` aborts when the driver is closed. */
  constructor(link: Link, options: RedoOptions) {
    this.#link = link
    this.#options = options
  }

  /** What can be done twice: a lost connection does it again. @throws a Refusal's error, or CONNECTION_LOST after the time-out. */
  run<T>(work: (channel: Channel) => Promise<T>): Promise<T> {
    const result = held(() => this.#last.then(() => redo(() => this.#run(work), this.#options)))
    this.#last = result.catch(() => {})
    return result
  }

  /** Undefined when the broker has no such queue. */
  async count(queue: string): Promise<{ readonly ready: number; readonly consumers: number } | undefined> {
    const found = await this.unlessMissing((channel) => channel.checkQueue(queue))
    return found && { ready: found.messageCount, consumers: found.consumerCount }
  }

  async hasExchange(exchange: string): Promise<boolean> {
    return (await this.unlessMissing(async (channel) => ({ found: await channel.checkExchange(exchange) }))) !== undefined
  }

  async unlessMissing<T>(work: (channel: Channel) => Promise<T>): Promise<T | undefined> {
    try {
      return await this.run(work)
    } catch (error) {
      if (error instanceof CorebusError && error.code === 'NOT_FOUND') return undefined
      throw error
    }
  }

  /** The same on a channel of its own, for reading. */
  read<T>(work: (channel: Channel) => Promise<T>): Promise<T> {
    return held(() => redo(() => this.separately(work), this.#options))
  }

  /** On a channel of its own, closed afterwards: what it was handed and did not acknowledge goes back. */
  async separately<T>(work: (channel: Channel) => Promise<T>): Promise<T> {
    const channel = await this.#newChannel(await this.#up())
    try {
      return await work(channel)
    } catch (thrown) {
      throw refusalOf(thrown)?.error ?? thrown
    } finally {
      await closeChannel(channel)
    }
  }

  async #run<T>(work: (channel: Channel) => Promise<T>): Promise<T> {
    try {
      return await work(await this.#open())
    } catch (thrown) {
      this.#channel = undefined
      throw thrown
    }
  }

  async #open(): Promise<Channel> {
    const model = await this.#up()
    if (this.#channel && this.#model === model) return this.#channel
    const channel = await this.#newChannel(model)
    channel.on('close', () => {
      if (this.#channel === channel) this.#channel = undefined
    })
    this.#channel = channel
    this.#model = model
    return channel
  }

  async #up(): Promise<ChannelModel> {
    const { timeoutMs, signal } = this.#options
    const model = await this.#link.up(timeoutMs, signal)
    if (model) return model
    if (signal.aborted) throw closed()
    throw new CorebusError('CONNECTION_LOST', `no connection to RabbitMQ within ${timeoutMs} ms`)
  }

  async #newChannel(model: ChannelModel): Promise<Channel> {
    const channel = await model.createChannel()
    // What closes it is told to whoever asked.
    channel.on('error', () => {})
    return channel
  }
}

const DELIVERY_LIMIT = 1_000_000
const QUORUM = { 'x-queue-type': 'quorum', 'x-delivery-limit': DELIVERY_LIMIT }

type QueueOptions = Options.AssertQueue

const durable = (args: Readonly<Record<string, unknown>>): QueueOptions => ({ durable: true, arguments: args })

/** A group's queue. The broker's own limit is never meant to be reached: 4.x has 20 unless told, and 3.10 takes -1 for none at all. */
export function workQueue(givenUp: string): QueueOptions {
  return durable({ ...QUORUM, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': givenUp })
}

export function unclaimedQueue(keepMs: number, maxMessages: number): QueueOptions {
  return durable({ ...QUORUM, 'x-message-ttl': keepMs, 'x-max-length': maxMessages, 'x-overflow': 'reject-publish' })
}

/** Publishing is no use of a queue, so it has no `x-expires`: one that is only published to would be deleted with its messages. */
export function delayQueue(ms: number): QueueOptions {
  return durable({
    'x-queue-type': 'quorum',
    'x-message-ttl': ms,
    // The default exchange, and the key the message has: its group's queue.
    'x-dead-letter-exchange': '',
    'x-dead-letter-strategy': 'at-least-once',
    'x-overflow': 'reject-publish',
  })
}

export function deadLetterQueue(ttlMs: number | undefined): QueueOptions {
  return durable({ ...QUORUM, ...(ttlMs !== undefined && { 'x-message-ttl': ttlMs }) })
}

export const givenUpQueue: QueueOptions = durable(QUORUM)

/** Deleted at once; should nobody get round to it, the broker does. */
export const spareQueue: QueueOptions = durable({ 'x-queue-type': 'quorum', 'x-expires': 60_000 })

/** Read without taking anything. */
export const registryStream: QueueOptions = durable({ 'x-queue-type': 'stream' })

/** Gone with its connection; nobody else can declare it meanwhile. */
export const ownerQueue: QueueOptions = { exclusive: true, durable: false, autoDelete: false }

/** One message, the latest. */
export const handedBackQueue: QueueOptions = durable({ ...QUORUM, 'x-max-length': 1 })

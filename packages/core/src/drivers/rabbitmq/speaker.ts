import { randomUUID } from 'node:crypto'
import type { ConfirmChannel, Message } from 'amqplib'
import { type Clock, sleep } from '../../clock.ts'
import { CorebusError } from '../../errors.ts'
import { closed, type Link } from './connection.ts'
import { refusalOf } from './failure.ts'

export interface SpeakerOptions {
  /** That of all publishing: under an alarm the broker reads nothing from a connection that has published, not even acknowledgements. */
  readonly link: Link
  readonly clock: Clock
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** What members say to each other, confirmed, on a channel of its own, which ends with its connection: under an alarm nobody would answer its close. */
export class Speaker {
  readonly #options: SpeakerOptions
  #channel: Promise<ConfirmChannel> | undefined

  constructor(options: SpeakerOptions) {
    this.#options = options
  }

  /** Resolves when it is in all queues that it is for, with whether there is any. @throws CorebusError CONNECTION_LOST, ACCESS_REFUSED */
  async say(exchange: string, key: string, body: Buffer): Promise<boolean> {
    const { clock, timeoutMs, signal } = this.#options
    const answered = new AbortController()
    const late = sleep(clock, timeoutMs, answered.signal).then((): boolean => {
      if (answered.signal.aborted) return false
      throw new CorebusError('CONNECTION_LOST', `RabbitMQ did not confirm a note within ${timeoutMs} ms`)
    })
    const ended = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(closed()), { once: true, signal: answered.signal })
      if (signal.aborted) reject(closed())
    })
    try {
      return await Promise.race([this.#confirmed(exchange, key, body), late, ended])
    } catch (thrown) {
      throw refusalOf(thrown)?.error ?? thrown
    } finally {
      answered.abort()
    }
  }

  async #confirmed(exchange: string, key: string, body: Buffer): Promise<boolean> {
    const channel = await this.#open()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const messageId = randomUUID()
    let isHeard = true
    // It comes back before it is confirmed.
    const onReturn = (message: Message) => {
      if (message.properties.messageId === messageId) isHeard = false
    }
    let why: Error | undefined
    const onError = (error: Error) => {
      why = error
    }
    const onClose = () =>
      reject(why ?? new CorebusError('CONNECTION_LOST', 'the connection to RabbitMQ was lost before a note was confirmed'))
    channel.on('return', onReturn)
    channel.once('error', onError)
    channel.once('close', onClose)
    try {
      channel.publish(exchange, key, body, { contentType: 'application/json', messageId, mandatory: true }, (error: unknown) =>
        error ? reject(error) : resolve(),
      )
      await promise
      return isHeard
    } finally {
      channel.off('return', onReturn)
      channel.off('error', onError)
      channel.off('close', onClose)
    }
  }

  #open(): Promise<ConfirmChannel> {
    if (this.#channel) return this.#channel
    const forget = () => {
      if (this.#channel === opening) this.#channel = undefined
    }
    const opening = this.#openNew(forget)
    opening.catch(forget)
    this.#channel = opening
    return opening
  }

  async #openNew(onClose: () => void): Promise<ConfirmChannel> {
    const { link, timeoutMs, signal } = this.#options
    const model = await link.up(timeoutMs, signal)
    if (!model) throw signal.aborted ? closed() : new CorebusError('CONNECTION_LOST', `no connection to RabbitMQ within ${timeoutMs} ms`)
    const channel = await model.createConfirmChannel()
    channel.setMaxListeners(0) // each that waits has its own
    channel.on('error', () => {}) // told to whoever waits for a confirm
    channel.on('close', onClose)
    return channel
  }
}

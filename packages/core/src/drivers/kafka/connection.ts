import { type Clock, sleep } from '../../clock.ts'
import type { ConnectionState } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { backOff } from '../back-off.ts'
import type { Address } from './address.ts'
import { connectAll } from './connect.ts'
import { failureOf, wordsOf } from './failure.ts'
import { Client } from './protocol/client.ts'

export interface ConnectionOptions {
  readonly address: Address
  readonly clock: Clock
  /** The driver is being closed: from then on a loss is no news. */
  readonly closing: AbortSignal
}

/** Brokers close what is silent for ten minutes. */
const ASK_EVERY_MS = 60_000

/** The driver's own connections: one to publish, one for questions and commits. They come back by themselves, for ever. */
export class Connection {
  readonly publishing: Client
  readonly asking: Client
  readonly #address: Address
  readonly #clock: Clock
  readonly #closing: AbortSignal
  readonly #waitMs = backOff({ maxMs: 1_000 })
  #listener: (state: ConnectionState) => void = () => {}
  #state: 'new' | 'connected' | 'reconnecting' = 'new'
  #following: Promise<void> | undefined
  #look = new AbortController()

  constructor({ address, clock, closing }: ConnectionOptions) {
    this.#address = address
    this.#clock = clock
    this.#closing = closing
    const onLost = (error: Error, silent: boolean) => {
      // The other connection to the broker is probably dead too, and would find out by itself only after another time-out.
      if (silent) for (const client of [this.publishing, this.asking]) client.letGo()
      this.#lost(error)
    }
    this.publishing = new Client({ address, onLost })
    this.asking = new Client({ address, onLost })
  }

  get isUp(): boolean {
    return this.#state === 'connected'
  }

  /** Tries until it works or `withinMs` are over. @throws CorebusError CONNECT */
  async open(withinMs: number, listener: (state: ConnectionState) => void): Promise<void> {
    this.#listener = listener
    await connectAll([this.publishing, this.asking], {
      address: this.#address,
      clock: this.#clock,
      timeoutMs: withinMs,
      closing: this.#closing,
    })
    this.#state = 'connected'
    listener({ kind: 'connected' })
    this.#following = this.#follow()
  }

  #lost(error: Error): void {
    if (this.#state !== 'connected' || this.#closing.aborted) return
    this.#state = 'reconnecting'
    const lost = new CorebusError('CONNECTION_LOST', `the connection to Kafka at ${this.#address.where} is lost: ${wordsOf(error)}`, {
      cause: error,
    })
    this.#listener({ kind: 'reconnecting', error: lost })
    this.#look.abort()
  }

  async #follow(): Promise<void> {
    const signal = this.#closing
    for (let n = 0; !signal.aborted; ) {
      const look = this.#look
      await sleep(this.#clock, n > 0 ? this.#waitMs(n) : ASK_EVERY_MS, n > 0 ? signal : AbortSignal.any([signal, look.signal]))
      if (signal.aborted) return
      this.#look = new AbortController()
      try {
        await Promise.all([this.publishing.ping(), this.asking.ping()])
        n = 0
        if (this.#state === 'connected') continue
        this.#state = 'connected'
        this.#listener({ kind: 'connected' })
      } catch (thrown) {
        n++
        this.#lost(failureOf(thrown).error)
      }
    }
  }

  /** After `closing`. */
  async close(): Promise<void> {
    await Promise.all([this.publishing.close(), this.asking.close()])
    await this.#following
  }
}

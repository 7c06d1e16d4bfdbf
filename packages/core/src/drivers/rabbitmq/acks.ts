import type { Channel } from 'amqplib'
import { type Clock, monotonic, real, sleep } from '../../clock.ts'

export interface AcksOptions {
  readonly channel: Channel
  readonly clock: Clock
  /** The lowest tag that must not be acknowledged yet. */
  readonly lowestOut: () => number
  readonly onSent: (tags: readonly number[]) => void
}

/** The broker sends a quorum queue so many at once and keeps the others until it hears of those: closed before that, it forgets them. */
const KEPT_BACK_ABOVE = 30
const HEARD_WITHIN_MS = 250

/**
 * Sends the acknowledgements of one channel: those of one turn of the event loop together, up to the lowest unfinished tag with one word.
 * They can be withheld for a moment: without them the broker soon has nothing more it may send.
 */
export class Acks {
  readonly #options: AcksOptions
  #waiting: number[] = []
  #sent: Promise<void> | undefined
  #withheld = false
  #release: () => void = () => {}
  #words = 0
  #lastAt = Number.NEGATIVE_INFINITY

  constructor(options: AcksOptions) {
    this.#options = options
  }

  /** Resolves when they have left for the broker. */
  send(tags: readonly number[]): Promise<void> {
    for (const tag of tags) this.#waiting.push(tag)
    this.#sent ??= this.#flush()
    return this.#sent
  }

  withhold(): void {
    this.#withheld = true
  }

  release(): void {
    this.#withheld = false
    this.#release()
  }

  /** Resolves when the broker has passed on what it was sent. */
  async heard(): Promise<void> {
    const { clock } = this.#options
    await this.#sent
    if (this.#words > KEPT_BACK_ABOVE) await sleep(clock, this.#lastAt + HEARD_WITHIN_MS - monotonic(clock))
  }

  async #flush(): Promise<void> {
    await turn()
    if (this.#withheld)
      await new Promise<void>((resolve) => {
        this.#release = resolve
      })
    const tags = this.#waiting
    this.#waiting = []
    this.#sent = undefined
    this.#write(tags)
    // The client collects what it writes until the next turn; after the one behind it, it is on its way.
    await turn()
    await turn()
  }

  #write(tags: readonly number[]): void {
    const { clock, lowestOut, onSent } = this.#options
    const lowest = lowestOut()
    const through = tags.reduce((highest, tag) => (tag < lowest && tag > highest ? tag : highest), 0)
    const single = tags.filter((tag) => tag > through)
    try {
      if (through > 0) this.#ack(through, true)
      for (const tag of single) this.#ack(tag, false)
    } catch {
      // The channel is closing: what it had out comes again, to whoever is next.
    }
    const now = monotonic(clock)
    this.#words = single.length + 1 + (now - this.#lastAt < HEARD_WITHIN_MS ? this.#words : 0)
    this.#lastAt = now
    onSent(tags)
  }

  #ack(tag: number, allUpTo: boolean): void {
    this.#options.channel.ack({ fields: { deliveryTag: tag } } as Parameters<Channel['ack']>[0], allUpTo)
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => real.setImmediate(resolve))
}

import type { Channel } from 'amqplib'
import { type Clock, sleep } from '../../clock.ts'
import type { Declarer } from './declare.ts'
import { readUpTo, tagged } from './read-up-to.ts'
import type { Raw } from './wire.ts'

export interface PlaceReaderOptions {
  readonly declarer: Declarer
  readonly clock: Clock
}

export interface Reading {
  /** A page. What it returns leaves the queue. */
  readonly work: (page: readonly Raw[]) => Promise<ReadonlySet<Raw>>
  /** Asked after each page, with its last message: no more are wanted. */
  readonly enough?: (last: Raw) => boolean
  /** Size of the first page, where fewer may do. */
  readonly firstPage?: number
  /** Size of the largest page, where `work` takes its time: what it is done with is acknowledged with all of the page. */
  readonly largestPage?: number
  /** So many messages from the head at most. Default: as many as there are. What was looked at just now may be on its way back, and is waited for. */
  readonly most?: number
}

/** Read at a time: a place may hold more than fits into memory. */
export const PAGE = 500

const NOTHING: ReadonlySet<Raw> = new Set()
/** A busy broker may take longer than one waits for it: so often it is asked again for what it says is there. */
const MOST_EMPTY_PAGES = 3
const BACK_WITHIN_MS = 2_000
const LOOK_EVERY_MS = 10

/** Reads the queues of dead letters, which are handed out for that: nobody else sees what is being read until it is back. */
export class PlaceReader {
  readonly #options: PlaceReaderOptions
  /** One look at a place at a time: whoever looks has all of its letters. */
  readonly #looking = new Map<string, Promise<unknown>>()

  constructor(options: PlaceReaderOptions) {
    this.#options = options
  }

  /**
   * Goes through the messages that there are now, a page at a time. What leaves is acknowledged after its page. What stays is held until the end, so
   * that nothing comes twice, and is back in its place then. @returns how many there were of those it may read
   */
  async read(queue: string, reading: Reading): Promise<number> {
    const turn = (this.#looking.get(queue) ?? Promise.resolve()).then(async () => {
      const { there, held } = await this.#options.declarer.separately((channel) => this.#readAll(channel, queue, reading))
      await this.#back(queue, held)
      return there
    })
    this.#looking.set(
      queue,
      turn.catch(() => {}),
    )
    return turn
  }

  /** A quorum queue takes back what a channel had a moment after RabbitMQ has said that the channel is closed. Somebody else may have taken it by then. */
  async #back(queue: string, held: number): Promise<void> {
    const { clock } = this.#options
    for (let waited = 0; waited < BACK_WITHIN_MS && (await this.#ready(queue)) < held; waited += LOOK_EVERY_MS)
      await sleep(clock, LOOK_EVERY_MS)
  }

  async #readAll(channel: Channel, queue: string, reading: Reading): Promise<{ readonly there: number; readonly held: number }> {
    const { work, firstPage = PAGE, largestPage = PAGE } = reading
    const leaving = new Leaving(channel)
    const there = await this.#there(queue, reading)
    let left = there
    let [seen, empty, held] = [0, 0, 0]
    for (let isLast = left === 0; !isLast; ) {
      // Small at first: whatever is read comes first the next time, and is read again.
      const count = Math.min(Math.max(firstPage, Math.ceil(seen / 4)), largestPage, left)
      const { page, consumerTag } = await this.#page(channel, queue, count)
      const leaves = page.length > 0 ? await work(page) : NOTHING
      seen += page.length
      held += page.length - leaves.size
      left -= page.length
      empty = page.length > 0 ? 0 : empty + 1
      isLast = left === 0 || empty === MOST_EMPTY_PAGES || (await this.#isEnough(queue, page, count, reading))
      // It has all it may. With something acknowledged it would get more, which nobody would look at and nobody else could have.
      if (!isLast) await channel.cancel(consumerTag)
      leaving.acknowledge(page, leaves)
      // Not before it has passed on all acknowledgements does the broker answer this; closed before, it would forget some.
      if (isLast) await channel.cancel(consumerTag)
    }
    return { there, held }
  }

  async #there(queue: string, { most }: Reading): Promise<number> {
    const found = await this.#options.declarer.count(queue)
    return found === undefined ? 0 : (most ?? found.ready)
  }

  async #isEnough(queue: string, page: readonly Raw[], count: number, { enough = () => false }: Reading): Promise<boolean> {
    const last = page.at(-1)
    if (last && enough(last)) return true
    // Of a page that is not full somebody else has the others, unless they are there.
    return page.length < count && (await this.#ready(queue)) === 0
  }

  async #ready(queue: string): Promise<number> {
    return (await this.#options.declarer.count(queue))?.ready ?? 0
  }

  async #page(channel: Channel, queue: string, count: number): Promise<{ page: readonly Raw[]; consumerTag: string }> {
    const page: Raw[] = []
    await channel.prefetch(count)
    const { clock } = this.#options
    const consumerTag = await readUpTo(channel, { queue, count, clock, onMessage: (raw) => page.push(raw) })
    return { page: [...page], consumerTag }
  }
}

/** Acknowledges what leaves with as few frames as possible: one for all, until something has stayed. */
class Leaving {
  readonly #channel: Channel
  #hasStayed = false

  constructor(channel: Channel) {
    this.#channel = channel
  }

  acknowledge(page: readonly Raw[], leaving: ReadonlySet<Raw>): void {
    const stays = this.#hasStayed ? 0 : page.findIndex((raw) => !leaving.has(raw))
    const through = stays < 0 ? page.at(-1) : page[stays - 1]
    if (through) this.#channel.ack(tagged(through.fields.deliveryTag), true)
    if (stays < 0) return
    this.#hasStayed = true
    for (const raw of page.slice(stays)) if (leaving.has(raw)) this.#channel.ack(tagged(raw.fields.deliveryTag))
  }
}

import type { Delivery } from '../../driver.ts'
import type { Commits } from './commits.ts'
import type { Line, Receipt } from './line.ts'

export interface ReaderOptions {
  readonly limit: number
  readonly commits: Pick<Commits, 'store'>
  /** Whether what is ours here is ours in the group, as far as we know. */
  readonly isFresh: () => boolean
  readonly onDeliveries: (deliveries: readonly Delivery[]) => void
  readonly onLost: (deliveries: readonly Delivery[]) => void
  /** There is room to read more. */
  readonly onRoom: () => void
}

/** Past the oldest unsettled one, in limits. */
const SPAN_LIMITS = 50
/** Of each topic, read and not handed out; resumed at half of it. */
const MOST_WAITING = 20_000
const MOST_WAITING_BYTES = 16 * 1024 * 1024

interface Topic {
  readonly lines: Set<Line>
  paused: boolean
}

/**
 * Hands out what has been read, as far as the limit of each topic allows. That a message is handed out is committed before it is, so that
 * one that kills its process is known by that.
 */
export class Reader {
  readonly #options: ReaderOptions
  readonly #topics = new Map<string, Topic>()
  /** Committed as handed out while nobody knew whether it was still ours. */
  #announced: readonly Receipt[] = []
  #limit: number
  #stopped = false
  #pumping = false
  #again = false

  constructor(options: ReaderOptions) {
    this.#options = options
    this.#limit = options.limit
  }

  get lines(): readonly Line[] {
    return [...this.#topics.values()].flatMap(({ lines }) => [...lines])
  }

  has(line: Line): boolean {
    return this.#topics.get(line.of)?.lines.has(line) === true
  }

  add(line: Line): void {
    const topic = this.#topics.get(line.of)
    if (topic) topic.lines.add(line)
    else this.#topics.set(line.of, { lines: new Set([line]), paused: false })
  }

  /** It is not ours any more; what was out is lost. */
  remove(line: Line): void {
    this.#topics.get(line.of)?.lines.delete(line)
    const lost = line.lose()
    const given = lost.filter((receipt) => receipt.given).flatMap(({ delivery }) => delivery ?? [])
    if (given.length > 0) this.#options.onLost(given)
  }

  /** Whether it may be read: not while more waits than can be handed out soon. */
  mayRead(line: Line): boolean {
    const topic = this.#topics.get(line.of)
    return topic !== undefined && !topic.paused && !line.leaving && !this.#stopped
  }

  limit(deliveries: number): void {
    this.#limit = deliveries
    this.pump()
  }

  /** Nothing more reaches the core. */
  stop(): void {
    this.#stopped = true
  }

  /** Hands out what may be, soon. */
  pump(): void {
    this.#again = true
    if (this.#pumping) return
    this.#pumping = true
    void this.#run() // never rejects
  }

  async #run(): Promise<void> {
    while (this.#again) {
      this.#again = false
      if (this.#stopped || !this.#options.isFresh()) continue
      const round = [...this.#announced, ...[...this.#topics.values()].flatMap((topic) => this.#select(topic))]
      this.#announced = []
      if (round.length === 0) continue
      await this.#options.commits.store(new Set(round.map(({ line }) => line)))
      // The answer may have lain here while the process was frozen, and the group went on without it.
      if (!this.#options.isFresh()) {
        this.#announced = round
        continue
      }
      this.#give(round)
      this.#again = true
    }
    this.#pumping = false
  }

  #select(topic: Topic): readonly Receipt[] {
    const lines = [...topic.lines].filter(({ kind }) => kind !== 'delay')
    const round: Receipt[] = []
    let room = this.#limit - lines.reduce((sum, { out }) => sum + out, 0)
    // One of each in turn: a long queue must not keep out the others.
    for (let any = true; any && room > 0; ) {
      any = false
      for (const line of lines) {
        if (room === 0) break
        const receipt = line.take(SPAN_LIMITS * this.#limit)
        if (!receipt) continue
        round.push(receipt)
        any = true
        room--
      }
    }
    this.#regulate(topic)
    return round
  }

  #give(round: readonly Receipt[]): void {
    const given: Delivery[] = []
    for (const receipt of round) {
      if (receipt.state !== 'out' || this.#stopped) continue
      receipt.given = true
      if (receipt.delivery) given.push(receipt.delivery)
    }
    if (given.length > 0) this.#options.onDeliveries(given)
  }

  /** After something was read or handed out. */
  regulate(line: Line): void {
    const topic = this.#topics.get(line.of)
    if (topic) this.#regulate(topic)
  }

  #regulate(topic: Topic): void {
    let waiting = 0
    let bytes = 0
    for (const line of topic.lines) {
      waiting += line.waiting
      bytes += line.bytes
    }
    const share = topic.paused ? 0.5 : 1
    const full = waiting > MOST_WAITING * share || bytes > MOST_WAITING_BYTES * share
    if (topic.paused && !full) this.#options.onRoom()
    topic.paused = full
  }
}

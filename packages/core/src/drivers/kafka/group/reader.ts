import { monotonic } from '../../../clock.ts'
import type { Clock, Delivery, Settlement } from '../../../driver.ts'
import type { Commits } from './commits.ts'
import type { Line, Receipt } from './line.ts'
import type { Standing } from './standing.ts'

export interface ReaderOptions {
  readonly limit: number
  readonly clock: Clock
  readonly commits: Pick<Commits, 'whenStored'>
  /** Whether what is ours here is ours in the group, as far as we know. */
  readonly standing: Pick<Standing, 'isFresh'>
  readonly onDeliveries: (deliveries: readonly Delivery[]) => void
  readonly onLost: (deliveries: readonly Delivery[]) => void
  /** There is room to read more. */
  readonly onRoom: () => void
}

/** Past the oldest unsettled one, in limits. */
const SPAN_LIMITS = 50
/** So soon after a round the next one is worth waiting for half of the limit: each costs a commit. */
const SMALL_ROUND_AFTER_MS = 20
/** Of each topic, read and not handed out; resumed at half of it. */
const MOST_WAITING = 8_000
const MOST_WAITING_BYTES = 16 * 1024 * 1024

type Retry = Extract<Settlement, { kind: 'retry' }>

interface Topic {
  readonly lines: Set<Line>
  paused: boolean
  gaveAt: number
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
  /** Kept here until they come again, each with what cancels that. */
  readonly #kept = new Map<Receipt, () => void>()
  #limit: number
  #stopped = false
  /** A round waits for its commit. */
  #pumping = false
  #cancelLater: (() => void) | undefined

  constructor(options: ReaderOptions) {
    this.#options = options
    this.#limit = options.limit
  }

  /** The partitions of what comes back from this topic. */
  readonly again = (topic: string): ReadonlySet<number> =>
    new Set(this.lines.filter(({ kind, of }) => kind === 'again' && of === topic).map(({ partition }) => partition))

  get lines(): readonly Line[] {
    return [...this.#topics.values()].flatMap(({ lines }) => [...lines])
  }

  has(line: Line): boolean {
    return this.#topics.get(line.of)?.lines.has(line) === true
  }

  add(line: Line): void {
    const topic = this.#topics.get(line.of)
    if (topic) topic.lines.add(line)
    else this.#topics.set(line.of, { lines: new Set([line]), paused: false, gaveAt: Number.NEGATIVE_INFINITY })
  }

  /** It is not ours any more; what was out is lost. */
  remove(line: Line): void {
    this.#topics.get(line.of)?.lines.delete(line)
    const lost = line.lose()
    const given = lost.filter((receipt) => receipt.given).flatMap(({ delivery }) => delivery ?? [])
    if (given.length > 0) this.#options.onLost(given)
  }

  /** What may be read now. */
  readable(): readonly Line[] {
    return this.lines.filter((line) => this.#mayRead(line))
  }

  /** Whether there is anything that may be read now. */
  get reads(): boolean {
    return this.lines.some((line) => this.#mayRead(line))
  }

  /** Whether it may be read: not while more waits than can be handed out soon. */
  #mayRead(line: Line): boolean {
    const topic = this.#topics.get(line.of)
    return topic !== undefined && !topic.paused && !line.leaving && !line.atGap && !this.#stopped
  }

  limit(deliveries: number): void {
    this.#limit = deliveries
    this.pump()
  }

  /** Nothing more reaches the core. */
  stop(): void {
    this.#stopped = true
    this.#cancelLater?.()
    for (const [receipt, cancel] of this.#kept) {
      cancel()
      receipt.line.giveBack(receipt)
    }
    this.#kept.clear()
  }

  /**
   * For a group that keeps nothing on the broker: the message comes again from here, and is not done until then. A member that stops gives it back
   * to its group, one that is killed has not settled it.
   */
  comeAgain(receipt: Receipt, { headers, afterMs }: Pick<Retry, 'headers' | 'afterMs'>): void {
    receipt.given = false
    if (this.#stopped) {
      receipt.line.giveBack(receipt)
      return
    }
    const come = () => {
      this.#kept.delete(receipt)
      if (receipt.state !== 'out') return
      receipt.line.again(receipt, headers)
      this.#announced = [...this.#announced, receipt]
      this.pump()
    }
    this.#kept.set(receipt, this.#options.clock.after(afterMs, come))
  }

  /** Something is done: there is room, and perhaps a gap to cross. */
  settled(): void {
    this.pump()
    if (this.lines.some((line) => line.crossesGap())) this.#options.onRoom()
  }

  /** Hands out what may be, soon. */
  pump(): void {
    if (this.#pumping || this.#stopped || !this.#options.standing.isFresh) return
    const round = [...this.#announced, ...[...this.#topics.values()].flatMap((topic) => this.#select(topic))]
    if (round.length === 0) return
    this.#announced = []
    this.#pumping = true
    this.#options.commits.whenStored(new Set(round.map(({ line }) => line)), () => {
      this.#pumping = false
      // The answer may have lain here while the process was frozen, and the group went on without it.
      if (!this.#options.standing.isFresh) {
        this.#announced = round
        return
      }
      // While the core works on these, the commit of the next ones is under way.
      this.#give(round)
      this.pump()
    })
  }

  /** Half of what may be out, so that there is always one half to work on. */
  #select(topic: Topic): readonly Receipt[] {
    const lines = [...topic.lines].filter(({ kind }) => kind !== 'delay')
    const out = lines.reduce((sum, line) => sum + line.out, 0)
    const half = Math.ceil(this.#limit / 2)
    const room = Math.min(this.#limit - out, half)
    const now = monotonic(this.#options.clock)
    if (room > 0 && room < half && now - topic.gaveAt < SMALL_ROUND_AFTER_MS) {
      this.#later()
      return []
    }
    const round = takeInTurn(lines, room, SPAN_LIMITS * this.#limit)
    if (round.length > 0) topic.gaveAt = now
    this.#regulate(topic)
    return round
  }

  #later(): void {
    this.#cancelLater ??= this.#options.clock.after(SMALL_ROUND_AFTER_MS, () => {
      this.#cancelLater = undefined
      this.pump()
    })
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

  /** After something was read. */
  regulate(): void {
    for (const topic of this.#topics.values()) this.#regulate(topic)
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

/**
 * One of each in turn: a long queue must not keep out the others. What was handed out before comes alone: when it ends its process again, that must
 * not be counted for others.
 */
function takeInTurn(lines: readonly Line[], room: number, span: number): readonly Receipt[] {
  const round: Receipt[] = []
  for (const line of room > 0 ? lines : []) {
    const receipt = line.take(span, true)
    if (receipt) return [receipt]
  }
  for (let any = true; any && round.length < room; ) {
    any = false
    for (const line of lines) {
      if (round.length >= room) break
      const receipt = line.take(span, false)
      if (!receipt) continue
      round.push(receipt)
      any = true
    }
  }
  return round
}

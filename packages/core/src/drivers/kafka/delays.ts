import type { Clock, Delay } from '../../driver.ts'
import { backOff } from '../back-off.ts'
import type { BrokerTime } from './broker-time.ts'
import type { Copies } from './copies.ts'
import { copyOf } from './copy.ts'
import { failureOf, inWords, isPermanent } from './failure.ts'
import type { Commits } from './group/commits.ts'
import type { Line, Receipt } from './group/line.ts'
import type { Standing } from './group/standing.ts'
import { dueIn, numberOf, OURS } from './wire.ts'

/**
 * The declared delay for what is asked: one that lasts as long, within its jitter. What nobody declared waits with the next longer ones, or
 * the longest; undefined when there are none. How long a copy waits stands in the copy: the places only keep long and short ones apart.
 */
export function placeFor(delays: readonly Delay[], afterMs: number): number | undefined {
  const shortestFirst = delays
    .map((delay) => delay)
    .filter((delay) => delay.afterMs > 0)
    .sort((a, b) => a.afterMs - b.afterMs)
  const own = shortestFirst.findLast((delay) => delay.afterMs <= afterMs && afterMs <= Math.ceil(delay.afterMs * (1 + delay.jitter)))
  return (own ?? shortestFirst.find((delay) => delay.afterMs >= afterMs) ?? shortestFirst.at(-1))?.afterMs
}

export interface MoverOptions {
  readonly group: string
  readonly clock: Clock
  readonly time: BrokerTime
  readonly commits: Commits
  /** Whether what is ours here is ours in the group, as far as we know. */
  readonly standing: Pick<Standing, 'isFresh'>
  /** Stores what is due where the group reads it. */
  readonly copies: Pick<Copies, 'again'>
  readonly onStuck: (topic: string, why: string) => void
  readonly onMoved: () => void
}

/** In memory; more wait on the broker. */
const MOST_HELD = 5_000

/** Brings what has waited long enough back to its group. */
export class Mover {
  readonly #options: MoverOptions
  readonly #held = new Map<Receipt, () => void>()
  readonly #moving = new Set<Receipt>()
  #stopped = false

  constructor(options: MoverOptions) {
    this.#options = options
  }

  /** Takes what was read and there is room for. */
  take(line: Line): void {
    const { time, clock } = this.#options
    void time.refresh() // never rejects; for those to come
    while (!this.#stopped && this.#held.size < MOST_HELD) {
      const receipt = line.take(Number.POSITIVE_INFINITY)
      if (!receipt) return
      const { at, headers } = receipt.record
      const dueAt = at + (numberOf(headers, OURS.delay) ?? 0)
      this.#held.set(
        receipt,
        clock.after(Math.max(dueAt - time.now(), 0), () => void this.#move(receipt)),
      ) // never rejects
    }
  }

  /** What is not on its way yet stays where it is, for whoever is next. */
  stop(): void {
    this.#stopped = true
    for (const [receipt, cancel] of this.#held) {
      if (this.#moving.has(receipt)) continue
      cancel()
      receipt.line.giveBack(receipt)
      this.#held.delete(receipt)
    }
  }

  async #move(receipt: Receipt): Promise<void> {
    const { clock, commits, standing, onMoved } = this.#options
    const { line } = receipt
    const waitMs = backOff({ maxMs: 1_000 })
    this.#moving.add(receipt)
    for (let n = 1; receipt.state === 'out'; n++) {
      // Of a process that was frozen another may have brought back everything by now.
      if (standing.isFresh && (await this.#store(receipt))) line.done(receipt)
      else {
        // It stays where it is until it is stored there.
        if (this.#stopped) line.giveBack(receipt)
        await new Promise<void>((resolve) => clock.after(waitMs(n), resolve))
      }
    }
    this.#held.delete(receipt)
    this.#moving.delete(receipt)
    await commits.store([line])
    this.take(line)
    onMoved()
  }

  /** @returns whether it is stored. */
  async #store(receipt: Receipt): Promise<boolean> {
    const { group, copies } = this.#options
    const { record, origin } = receipt
    try {
      await copies.again(dueIn(record.headers, origin), group, copyOf({ record, origin, headers: {} }))
      return true
    } catch (thrown) {
      const failure = failureOf(thrown)
      if (isPermanent(failure)) this.#options.onStuck(origin.topic, inWords(failure))
      return false
    }
  }
}

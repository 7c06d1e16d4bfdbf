import { type Clock, monotonic, real, sleep } from '../clock.ts'
import type { Settlement, Subscription } from '../driver.ts'
import { asError, SettleError } from '../errors.ts'
import { Spell } from './spell.ts'

/** A batch that takes longer holds up nobody: others go beside it, so many at most. */
const SLOW_MS = 200
const MOST_OUT = 8

/** Something that was handled, and what the broker is to do with it now: another settlement once it has refused one. */
export interface Decided {
  readonly settlement: Settlement
}

export interface SettlerOptions<D extends Decided> {
  /** Deliveries may come, and be handled, before the subscription is there. */
  readonly subscription: () => Subscription | Promise<Subscription>
  readonly clock: Clock
  readonly onSettled: (batch: readonly D[]) => void
  /** The broker refuses it for good. Returns whether it has another settlement now. When nothing is left to ask for it is tried again by itself, and `onTrouble` says no more of it. */
  readonly onRefused: (one: D, why: Error) => boolean
  /** What could not be settled is tried again, told once per bad spell; or, while this ends, it is not. */
  readonly onTrouble: (error: Error, count: number, again: boolean) => void
}

/**
 * Collects settlements into batches. One batch is out at a time, and another when that takes long: one place that answers nothing must not hold
 * what goes elsewhere. What could not be stored stays unsettled and is tried again later, and what comes meanwhile does not wait for it.
 */
export class Settler<D extends Decided> {
  readonly #options: SettlerOptions<D>
  readonly #closing = new AbortController()
  #waiting: D[] = []
  /** What the broker could not store now, and what it refuses in every form. */
  readonly #troubled = new Spell<D>()
  readonly #refused = new Spell<D>()
  readonly #later = new Set<Spell<D>>()
  /** Batches that are out, and when the last of them began. */
  #out = 0
  #beganAt = 0
  #cancelLook: (() => void) | undefined
  #over = false
  #flushed: (() => void)[] = []

  constructor(options: SettlerOptions<D>) {
    this.#options = options
  }

  settle(one: D): void {
    this.#waiting.push(one)
    this.#start()
  }

  /** Resolves when all is settled; what fails now is given up and stays with the broker. */
  drain(): Promise<void> {
    this.#closing.abort()
    if (this.#out === 0 && this.#later.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#flushed.push(resolve))
  }

  /** From now on nothing is settled. What is out may be, and nobody knows: a driver that closes gives it back. */
  giveUp(): void {
    this.#over = true
    this.#closing.abort()
    this.#waiting = []
    this.#troubled.take()
    this.#refused.take()
  }

  #start(): void {
    if (this.#out > 0) {
      this.#cancelLook ??= this.#options.clock.after(SLOW_MS, () => this.#look())
      return
    }
    this.#begin()
  }

  #look(): void {
    this.#cancelLook = undefined
    if (this.#waiting.length === 0 || this.#over) return
    if (this.#out < MOST_OUT && monotonic(this.#options.clock) - this.#beganAt >= SLOW_MS) this.#begin()
    else this.#cancelLook = this.#options.clock.after(SLOW_MS, () => this.#look())
  }

  #begin(): void {
    this.#out++
    // Not a microtask: handlers that do not wait for anything all finish before it, and their settlements make one batch.
    real.setImmediate(() => {
      void this.#flush() // never rejects
    })
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting
      this.#waiting = []
      this.#beganAt = monotonic(this.#options.clock)
      try {
        await (await this.#options.subscription()).settle(batch.map(({ settlement }) => settlement))
        if (this.#over) break
        this.#stored(batch)
      } catch (thrown) {
        if (this.#over) break
        this.#unstored(batch, asError(thrown))
      }
      // In the midst of many that do not wait for anything: the others of them go with the next batch.
      if (this.#waiting.length > 0) await new Promise<void>((resolve) => real.setImmediate(resolve))
    }
    this.#out--
    this.#idle()
  }

  #idle(): void {
    if (this.#out > 0 || this.#later.size > 0) return
    this.#cancelLook?.()
    this.#cancelLook = undefined
    for (const resolve of this.#flushed.splice(0)) resolve()
  }

  #stored(batch: readonly D[]): void {
    this.#troubled.leave(batch)
    this.#refused.leave(batch)
    this.#options.onSettled(batch)
  }

  #unstored(batch: readonly D[], error: Error): void {
    const left = new Set(error instanceof SettleError ? error.deliveries : batch.map(({ settlement }) => settlement.delivery))
    if (left.size < batch.length) this.#stored(batch.filter(({ settlement }) => !left.has(settlement.delivery)))
    const troubled: D[] = []
    const refused: D[] = []
    for (const one of batch) {
      const { delivery } = one.settlement
      if (!left.has(delivery)) continue
      const why = error instanceof SettleError ? error.refused.get(delivery) : undefined
      if (!why) troubled.push(one)
      else if (this.#options.onRefused(one, why)) this.#waiting.push(one)
      else refused.push(one)
    }
    this.#troubled.leave(refused)
    this.#putOff(this.#refused, refused, error)
    this.#putOff(this.#troubled, troubled, error)
  }

  #putOff(spell: Spell<D>, some: readonly D[], error: Error): void {
    if (some.length === 0) return
    const again = !this.#closing.signal.aborted
    const begins = spell.failed(some)
    if (!again || (begins && spell === this.#troubled)) this.#options.onTrouble(error, spell.waiting, again)
    if (!again) spell.take()
    else if (!this.#later.has(spell)) void this.#again(spell)
  }

  /** Never rejects. */
  async #again(spell: Spell<D>): Promise<void> {
    this.#later.add(spell)
    await sleep(this.#options.clock, spell.waitMs, this.#closing.signal)
    this.#later.delete(spell)
    this.#waiting = [...spell.take(), ...this.#waiting]
    if (this.#waiting.length > 0) this.#start()
    this.#idle()
  }
}

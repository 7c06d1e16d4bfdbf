import type { Delivery } from '../driver.ts'
import { Losses } from './losses.ts'

export interface SuspectsOptions {
  readonly crashLimit: number
}

export interface Judgement {
  /** Hand-outs of this message whose end this process does not know. */
  readonly crashes: number
  /** It is held to have ended so many processes that it is not handled any more. */
  readonly isGivenUp: boolean
}

/** What was handed out before and never settled: each such message may end the process that handles it. */
export class Suspects {
  readonly losses: Losses = new Losses()
  readonly #options: SuspectsOptions
  readonly #unhandled = new Set<Delivery>()

  constructor(options: SuspectsOptions) {
    this.#options = options
  }

  /** Whether one of them waits or runs here. Should it end this process, all that is here may be counted for it. */
  get areHere(): boolean {
    return this.#unhandled.size > 0
  }

  judge(delivery: Delivery): Judgement {
    const { message, unsettledBefore } = delivery
    const crashes = unsettledBefore === 0 ? 0 : unsettledBefore - this.losses.of(message)
    const isGivenUp = crashes >= this.#options.crashLimit && !this.losses.chance(delivery)
    if (crashes > 0 && !isGivenUp) this.#unhandled.add(delivery)
    return { crashes, isGivenUp }
  }

  /** It is handled, or no longer ours. */
  remove(delivery: Delivery): void {
    this.#unhandled.delete(delivery)
  }
}

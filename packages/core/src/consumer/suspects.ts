import type { Logger } from 'pino'
import { type Clock, monotonic } from '../clock.ts'
import type { Delivery, Driver } from '../driver.ts'
import { Losses } from './losses.ts'
import type { Members } from './members.ts'

const FEWEST_OTHERS = 2
const SAID_EVERY_MS = 60_000

export interface SuspectsOptions {
  readonly crashLimit: number
  readonly driver: Pick<Driver, 'capabilities'>
  readonly members: Pick<Members, 'others'> | undefined
  readonly plan: { readonly group: string }
  readonly observer: { readonly logger: Pick<Logger, 'info'> }
  readonly clock: Clock
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
  #saidAt: number | undefined

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
    const isGivenUp = crashes >= this.#options.crashLimit && crashes >= this.#mostCrashes() && !this.losses.chance(delivery)
    if (crashes > 0 && !isGivenUp) this.#unhandled.add(delivery)
    return { crashes, isGivenUp }
  }

  /** Says that such messages go one after another, and others wait for them: it must not look like a consumer that does nothing. */
  tell(works: readonly { readonly alone: boolean }[]): void {
    if (!works.some(({ alone }) => alone)) return
    const { plan, observer, clock } = this.#options
    const now = monotonic(clock)
    if (this.#saidAt !== undefined && now - this.#saidAt < SAID_EVERY_MS) return
    this.#saidAt = now
    observer.logger.info(
      { group: plan.group },
      `group ${plan.group} has messages that were handed out before and never settled, as when a process is killed: each begins alone, and new ones wait until those are begun`,
    )
  }

  /** It is handled, or no longer ours. */
  remove(delivery: Delivery): void {
    this.#unhandled.delete(delivery)
  }

  /**
   * A process that began after an outage knows nothing of it, and must not take for crashes what the outage alone may have counted: one hand-out
   * more for each other member, and two at least: who begins soon after it may have heard of nobody. Twice the limit at most, since a message that
   * does end processes costs one of them for each.
   */
  #mostCrashes(): number {
    const { crashLimit, driver, members } = this.#options
    return crashLimit + (driver.capabilities.countsOutages ? Math.min(Math.max(members?.others ?? 0, FEWEST_OTHERS), crashLimit) : 0)
  }
}

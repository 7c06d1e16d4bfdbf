import type { SubscriptionState } from '../driver.ts'
import type { GroupPlan } from '../handlers/plan.ts'
import type { Observer } from '../observe/observer.ts'
import type { GroupHealth } from './health.ts'
import { reportState } from './report.ts'

/** How a group stands with its broker, and what was said of it. */
export class GroupState {
  readonly #plan: GroupPlan
  readonly #observer: Observer
  #current: GroupHealth['state'] = 'starting'
  #trouble: string | undefined

  constructor(plan: GroupPlan, observer: Observer) {
    this.#plan = plan
    this.#observer = observer
  }

  get current(): GroupHealth['state'] {
    return this.#current
  }

  /** Returns whether an outage begins with it. */
  change(state: SubscriptionState): boolean {
    // The same trouble is said once; another one is news.
    const why = state.kind === 'consuming' ? state.notice?.message : state.error.message
    if (this.#current === state.kind && this.#trouble === why) return false
    const before = this.#current
    this.#current = state.kind
    this.#trouble = why
    reportState(this.#observer, this.#plan, before, state)
    return state.kind === 'reconnecting' && before !== 'reconnecting'
  }

  stop(): void {
    if (this.#current === 'stopped') return
    this.#current = 'stopped'
    this.#observer.state('stopped', { group: this.#plan.group })
  }
}

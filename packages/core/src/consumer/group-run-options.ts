import type { Clock } from '../clock.ts'
import type { Driver, Message } from '../driver.ts'
import type { GroupPlan } from '../handlers/plan.ts'
import type { Observer } from '../observe/observer.ts'
import type { DispatchOptions } from './dispatch.ts'
import type { Members } from './members.ts'
import type { Minute } from './minute.ts'

/** How a group handles. */
export interface Handling {
  readonly plan: GroupPlan
  readonly dispatch: DispatchOptions
}

export interface GroupRunOptions extends Handling {
  readonly driver: Driver
  readonly clock: Clock
  readonly random: () => number
  readonly observer: Observer
  readonly crashLimit: number
  readonly abortGraceMs: number
  readonly members: Members | undefined
  readonly minute: Minute
  /** A handler ran past its time-out and the grace after it. JavaScript cannot stop it. */
  readonly onStuck: (where: string, message: Message) => void
}

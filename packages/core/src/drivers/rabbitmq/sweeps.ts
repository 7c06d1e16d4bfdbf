import { sleep } from '../../clock.ts'
import { CorebusError } from '../../errors.ts'
import type { MembershipEvents } from '../memberships.ts'
import type { Bound } from './bindings.ts'
import { newlyGivenUp } from './given-up.ts'
import type { MembershipContext } from './membership.ts'
import { moreThanMembers, topicWasGone } from './notices.ts'

export interface SweepsOptions {
  readonly bound: Bound
  readonly context: MembershipContext
  readonly onNotice: MembershipEvents['onNotice']
  /** While the member is kept away, why is said by whoever tries to come back: the same right or thing may keep its queue from being bound. */
  readonly isKeptAway: () => boolean
  /** Moves what no group has taken. Undefined where this group does not want it. */
  readonly takeOver: (() => Promise<void>) | undefined
}

/** What was on its way when the group began lands where nobody looks any more, so somebody does: soon, and now and then. */
const SWEEPS_MS = [200, 1_000, 5_000]
const SWEEP_EVERY_MS = 15_000

/** What a member looks after beside its messages, now and then. */
export class Sweeps {
  readonly #options: SweepsOptions
  /** Why the queue could not be bound at the last look. */
  #unbound: string | undefined
  /** How much was there when somebody last looked. */
  #givenUp = { all: 0, own: 0 }
  /** So many more consumers than members were there at the last look. */
  #strangers = 0
  #saidStrangers = 0

  constructor(options: SweepsOptions) {
    this.#options = options
  }

  /** Resolves when the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options.context
    for (let n = 0; ; n++) {
      await sleep(clock, SWEEPS_MS[n] ?? SWEEP_EVERY_MS, signal)
      for (const look of [() => this.#bindAgain(), () => this.#claim(), () => this.#sayGivenUp(), () => this.#countStrangers()]) {
        if (signal.aborted) return
        // No connection, or no right: what is there is still there next time.
        await look().catch(() => {})
      }
    }
  }

  /** Its binding is gone where somebody has deleted the exchange, or made another one of its name. What keeps it from being bound again is said once. */
  async #bindAgain(): Promise<void> {
    const { bound, context, onNotice, isKeptAway } = this.#options
    try {
      if (await context.topology.bindings.bindAgain(bound, context.topology.mayCreate)) onNotice(topicWasGone(bound))
      this.#unbound = undefined
    } catch (thrown) {
      if (!(thrown instanceof CorebusError) || thrown.code === 'CONNECTION_LOST' || isKeptAway()) throw thrown
      if (this.#unbound !== thrown.message && !context.closing.aborted) onNotice(thrown)
      this.#unbound = thrown.message
    }
  }

  async #claim(): Promise<void> {
    const { bound, context, takeOver } = this.#options
    if (!takeOver) return
    const left = (await context.declarer.count(context.names.unclaimed(bound.topic)))?.ready ?? 0
    if (left > 0) await takeOver()
  }

  /** All groups share the place of what the broker has given up, so it is read only when there is more in it than before. */
  async #sayGivenUp(): Promise<void> {
    const { bound, context, onNotice } = this.#options
    const all = (await context.declarer.count(context.names.givenUp))?.ready ?? 0
    // Some were handed back or deleted, perhaps ours: what comes next is said, whatever was there before.
    if (all < this.#givenUp.all) this.#givenUp = { all, own: 0 }
    if (all <= this.#givenUp.all) return
    const own = await context.givenUp(bound.topic, bound.group)
    if (own > this.#givenUp.own) onNotice(newlyGivenUp({ topic: bound.topic, group: bound.group, count: own }))
    this.#givenUp = { all, own }
  }

  /**
   * A client that is not ours and consumes the group's own queue has a part of its messages. AMQP only counts consumers, and a member that has just gone or
   * come is counted by one and not the other, so it is said when two looks agree.
   */
  async #countStrangers(): Promise<void> {
    const { bound, context, onNotice } = this.#options
    const members = context.membersKnown(bound.group)
    const queue = context.names.work(bound.topic, bound.group)
    const found = members === undefined ? undefined : await context.declarer.count(queue)
    const strangers = found && members !== undefined ? Math.max(found.consumers - members, 0) : 0
    const sure = Math.min(strangers, this.#strangers)
    this.#strangers = strangers
    if (sure > this.#saidStrangers) onNotice(moreThanMembers(bound, queue, sure))
    this.#saidStrangers = Math.min(Math.max(this.#saidStrangers, sure), strangers)
  }
}

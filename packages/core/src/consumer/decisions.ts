import type { Clock } from '../clock.ts'
import type { RetryPolicy } from '../config/retry.ts'
import { CorebusError } from '../errors.ts'
import type { GroupPlan, HandlerPlan, TopicPlan } from '../handlers/plan.ts'
import { type Chance, type Outcome, type OutcomePolicy, outcomeOf, type Settleable } from './outcome.ts'
import { afterRefusal } from './refusal.ts'
import type { Work } from './work.ts'

/** For what no handler took: it is skipped or hopeless, never retried. */
const NO_RETRY: RetryPolicy = { maxRetries: 0, delaysMs: [], jitter: 0 }

/** `outcomeOf` with the policies of one group: each is made once, for its handler, or for what no handler of a topic took. */
export class Decisions {
  readonly #plan: GroupPlan
  readonly #chance: Chance
  readonly #policies = new Map<HandlerPlan | TopicPlan, OutcomePolicy>()

  constructor({ plan, clock, random }: { plan: GroupPlan; clock: Clock; random: () => number }) {
    this.#plan = plan
    this.#chance = {
      get now() {
        return clock.now()
      },
      get random() {
        return random()
      },
    }
  }

  on(work: Work, verdict: Settleable, handler: HandlerPlan | undefined): Outcome {
    const policy = this.#policies.get(handler ?? work.topic) ?? this.#policyOf(work.topic, handler)
    return outcomeOf(work.delivery, work, verdict, policy, this.#chance)
  }

  /** What is stored instead of what the broker refuses for good. */
  afterRefusal(work: Work, outcome: Outcome, why: Error): Outcome | undefined {
    const policy = { group: this.#plan.group, keepsDeadLetters: work.topic.deadLetter !== false, now: this.#chance.now }
    return afterRefusal(outcome, why, work, policy)
  }

  #policyOf(topic: TopicPlan, handler: HandlerPlan | undefined): OutcomePolicy {
    const { group, delays } = this.#plan
    const policy = { retry: handler?.retry ?? NO_RETRY, delays, keepsDeadLetters: topic.deadLetter !== false, group }
    this.#policies.set(handler ?? topic, policy)
    return policy
  }
}

/** A message that was handed out so often and never settled. */
export function crashed(times: number): Settleable {
  const why = `its handler ended the process ${times} times (crashLimit); it was handed out that often and never settled`
  return { kind: 'hopeless', reason: 'crash', error: new CorebusError('CRASH', why) }
}

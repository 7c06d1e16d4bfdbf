import type { SubscriptionState } from '../../../driver.ts'

export interface MemberStatesOptions {
  readonly onState: (state: SubscriptionState) => void
  /** Whether there is anything that may be read now. */
  readonly reads: () => boolean
  /** It was consuming, and is away. */
  readonly onAway: () => void
}

/**
 * What is said of a member. It is away from the first trouble until both have answered since: the coordinator of the group a heartbeat, and a
 * broker that leads partitions a fetch, for these are two brokers' business.
 */
export class MemberStates {
  readonly #options: MemberStatesOptions
  #kind: SubscriptionState['kind'] | 'new' = 'new'
  #trouble: Error | undefined
  #refusal: Error | undefined
  #heard = { beat: false, answer: false }
  #ended = false
  readonly #notices: Error[] = []

  constructor(options: MemberStatesOptions) {
    this.#options = options
  }

  get hasBegun(): boolean {
    return this.#kind !== 'new'
  }

  /** The first thing that went wrong since all was well. */
  get lastTrouble(): Error | undefined {
    return this.#trouble
  }

  /** Why it cannot be a member. */
  get refusal(): Error | undefined {
    return this.#refusal
  }

  /** Before this nothing is said. */
  begin(state: SubscriptionState): void {
    this.#kind = state.kind
    this.#options.onState(state)
    this.#tellNotices()
  }

  /** Nothing more is said. */
  end(): void {
    this.#ended = true
  }

  trouble(error: Error): void {
    this.#trouble ??= error
    this.#heard = { beat: false, answer: false }
    if (this.#kind !== 'consuming' || this.#ended) return
    this.#kind = 'reconnecting'
    this.#options.onAway()
    this.#options.onState({ kind: 'reconnecting', error })
  }

  /** The user lacks a right: before it has begun that is a refusal, and after it trouble, for the right may be given back. */
  forbidden(error: Error): void {
    if (this.hasBegun) this.trouble(error)
    else this.dead(error)
  }

  /** The group went on without it. Said also while it is away for another reason. */
  expelled(error: Error): void {
    if (this.#kind === 'reconnecting' && !this.#ended) this.#options.onState({ kind: 'reconnecting', error })
    this.trouble(error)
  }

  dead(error: Error): void {
    this.#refusal ??= error
    if (this.#kind === 'dead' || this.#ended) return
    const { hasBegun } = this
    this.#kind = 'dead'
    if (hasBegun) this.#options.onState({ kind: 'dead', error })
  }

  /** The group has answered. */
  heardBeat(): void {
    this.#heard.beat = true
    this.#back()
  }

  /** A broker has answered a fetch. */
  heardAnswer(): void {
    this.#heard.answer = true
    this.#back()
  }

  /** While it has not begun, or is away, it is told later. */
  notice(notice: Error): void {
    if (this.#kind === 'dead' || this.#ended) return
    this.#notices.push(notice)
    this.#tellNotices()
  }

  #tellNotices(): void {
    if (this.#kind === 'consuming') for (const notice of this.#notices.splice(0)) this.#options.onState({ kind: 'consuming', notice })
  }

  /** Where nothing may be read now, there is no answer to wait for. */
  #back(): void {
    const { beat, answer } = this.#heard
    if (!beat || (!answer && this.#options.reads()) || this.#ended || this.#kind === 'dead') return
    this.#trouble = undefined
    if (this.#kind !== 'reconnecting') return
    this.#kind = 'consuming'
    this.#options.onState({ kind: 'consuming' })
    this.#tellNotices()
  }
}

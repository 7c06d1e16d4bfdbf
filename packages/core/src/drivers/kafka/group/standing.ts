import { type Clock, monotonic } from '../../../clock.ts'
import type { Joined } from '../protocol/client.ts'

/** What a commit says of the member that sends it. */
export interface Identity {
  readonly memberId: string
  readonly groupGenerationId: number
  /** The generation of the last round that was finished. A broker that is started again knows no later one. */
  readonly keptGenerationId: number
}

export interface StandingOptions {
  readonly clock: Clock
  /** After so long without a word the group gives a member up. */
  readonly sessionMs: number
}

/** What a member knows of its own place in the group: who it is there, and when the group last heard of it. `Membership` alone writes it. */
export class Standing {
  readonly #clock: Clock
  readonly #sessionMs: number
  #id = ''
  #generation = -1
  #keptGeneration = -1
  #heardAt = Number.NEGATIVE_INFINITY

  constructor({ clock, sessionMs }: StandingOptions) {
    this.#clock = clock
    this.#sessionMs = sessionMs
  }

  get identity(): Identity {
    return { memberId: this.#id, groupGenerationId: this.#generation, keptGenerationId: this.#keptGeneration }
  }

  /** The group has heard of this member lately. Otherwise it may have been given up: a process that was frozen does not know. */
  get isFresh(): boolean {
    return monotonic(this.#clock) - this.#heardAt < this.#sessionMs
  }

  /** A round of the group begins, with this member in it. */
  beginRound({ memberId, generationId }: Pick<Joined, 'memberId' | 'generationId'>): void {
    this.#id = memberId
    this.#generation = generationId
  }

  finishRound(): void {
    this.#keptGeneration = this.#generation
  }

  /** The group has answered what was sent then: not when the answer came, which may have lain here for long. */
  heard(sentAt: number): void {
    this.#heardAt = sentAt
  }

  /** The group does not know its name any more: it joins under a new one. */
  loseName(): void {
    this.#id = ''
  }
}

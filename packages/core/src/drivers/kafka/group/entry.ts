import { type Clock, monotonic, sleep } from '../../../clock.ts'
import { closed, notJoined, taken } from '../failure.ts'
import type { Names } from '../names.ts'
import type { Client } from '../protocol/client.ts'
import { decodeWish, type Share } from './assigner.ts'
import type { Holdings } from './holdings.ts'
import type { MemberStates } from './states.ts'

export interface EntryOptions {
  /** As the broker calls them. */
  readonly topics: readonly string[]
  readonly group: string
  readonly names: Names
  /** Not the one that joins. */
  readonly client: Client
  readonly clock: Clock
  readonly timeoutMs: number
  readonly holdings: Pick<Holdings, 'isReady' | 'isPartlyReady'>
  readonly states: Pick<MemberStates, 'refusal' | 'lastTrouble'>
  readonly closing: AbortSignal
}

const SETTLES_WITHIN_MS = 5_000
const LOOK_EVERY_MS = 20

/** How a member comes into its group: until it has a share of the partitions, and what it was given can be read. */
export class Entry {
  readonly #options: EntryOptions
  #share: Share | undefined

  constructor(options: EntryOptions) {
    this.#options = options
  }

  /** The group has given this member a share, if only an empty one. */
  get hasShare(): boolean {
    return this.#share !== undefined
  }

  give(share: Share): void {
    this.#share = share
  }

  /** Somebody else reads one of these topics in this group, and one of the two wants to be alone. @throws CorebusError GROUP_TAKEN */
  async refuseIfTaken(): Promise<void> {
    const { topics, group, names, client } = this.#options
    const described = await client.describe(names.group(group)).catch(() => undefined)
    const wanted = new Set(topics)
    const others = described?.members.map(({ memberId, memberMetadata }) => decodeWish(memberId, memberMetadata)) ?? []
    if (others.some((one) => one?.topics.some((topic) => wanted.has(topic)))) throw taken(group)
  }

  /**
   * Until everybody has given up what is ours, and it can be read. Resolves without a share where the group keeps its members waiting.
   *
   * @throws CorebusError GROUP_TAKEN, GROUP_DEAD, CONNECT, CLOSED
   */
  async settled(): Promise<void> {
    const { group, client, clock, timeoutMs, holdings, states, closing } = this.#options
    const deadline = monotonic(clock) + SETTLES_WITHIN_MS
    while (!closing.aborted) {
      if (states.refusal) throw states.refusal
      if (this.#share?.taken) throw taken(group)
      const late = monotonic(clock) > deadline
      if (this.#share && holdings.isReady && !this.#share.unfinished) return
      // Some wait for another member, or for a broker that is down: the others are read meanwhile.
      if (this.#share && holdings.isPartlyReady && late) return
      if (!this.#share && monotonic(clock) > deadline + timeoutMs + 2 * SETTLES_WITHIN_MS) {
        // Kept waiting by its group it waits on: a process that gave up and began anew would be one more dead member for which all wait.
        await client.ping().catch(() => Promise.reject(notJoined(group, states.lastTrouble)))
        if (!this.#share) return
      }
      await sleep(clock, LOOK_EVERY_MS, closing)
    }
    throw closed()
  }
}

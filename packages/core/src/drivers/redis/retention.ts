import type { Clock } from '../../clock.ts'
import { monotonic } from '../../clock.ts'
import type { Names } from './names.ts'
import { listOf, type Nodes } from './nodes.ts'
import { retain } from './scripts/topic.ts'

export interface RetentionOptions {
  readonly nodes: Nodes
  readonly names: Names
  readonly clock: Clock
  /** What every group has settled stays at least this long. */
  readonly keepMs: number
  /** What no group reads stays this long, and so many. */
  readonly unclaimedKeepMs: number
  readonly unclaimedMessages: number
}

const LOOK_EVERY_MS = 30_000
const FULL_LOOK_EVERY_MS = 1_000
/** Of the most that is kept for nobody. */
const LOOK_EVERY_SHARE = 1 / 100

/** Who looks. */
interface Seen {
  readonly published: number
  /** What the key of a group's state has before its name and behind it: members note there where each group is. */
  readonly states: readonly string[]
}

interface Look {
  readonly at: number
  readonly published: number
  readonly isFull: boolean
}

/**
 * Deletes what nobody needs, so that a stream does not grow for ever, and nothing that a group has not settled. A stream that others made is
 * theirs: nothing is deleted from it, and it is never full.
 */
export class Retention {
  readonly #options: RetentionOptions
  readonly #looks = new Map<string, Look>()
  readonly #looking = new Map<string, Promise<void>>()

  constructor(options: RetentionOptions) {
    this.#options = options
  }

  /** The most that a topic keeps which nobody reads. */
  get unclaimedMessages(): number {
    return this.#options.unclaimedMessages
  }

  /** Whether a topic that nobody reads can take no more, as last seen. Looks now and then, by time and by how many have been published. */
  isFull(topic: string, published: number): boolean {
    const { clock, unclaimedMessages } = this.#options
    const last = this.#looks.get(topic)
    const every = last?.isFull ? FULL_LOOK_EVERY_MS : LOOK_EVERY_MS
    if (!last) this.#looks.set(topic, { at: monotonic(clock), published: 0, isFull: false })
    else if (published - last.published >= unclaimedMessages * LOOK_EVERY_SHARE || monotonic(clock) - last.at >= every)
      void this.#once(topic, this.#options.names.stream(topic), { published, states: [] }).catch(() => {}) // looks again
    return last?.isFull ?? false
  }

  /** At the stream of a topic, or at one of others that a group of the topic reads. */
  look(topic: string, stream: string): Promise<void> {
    const published = this.#looks.get(topic)?.published ?? 0
    return this.#once(topic, stream, { published, states: this.#options.names.state(stream, '\n').split('\n') })
  }

  #once(topic: string, stream: string, seen: Seen): Promise<void> {
    const under = this.#looking.get(stream)
    if (under) return under
    const look = this.#look(topic, stream, seen).finally(() => this.#looking.delete(stream))
    this.#looking.set(stream, look)
    return look
  }

  async #look(topic: string, stream: string, { published, states: [before = '', behind = ''] }: Seen): Promise<void> {
    const { nodes, names, clock, keepMs, unclaimedKeepMs, unclaimedMessages } = this.#options
    const args = [before, behind, String(keepMs), String(unclaimedKeepMs)]
    const [groups, length, ours] = listOf(await nodes.run(retain, [stream, names.declared(stream)], args))
    const isFull = ours === 1 && groups === 0 && Number(length) >= unclaimedMessages
    // One of others says nothing of the topic's own.
    if (stream === names.stream(topic)) this.#looks.set(topic, { at: monotonic(clock), published, isFull })
  }
}

import type { Clock } from '../../clock.ts'
import { asError, CorebusError } from '../../errors.ts'
import { lineOf, type Target } from './target.ts'

export interface Refusable {
  readonly target: Target
  over: boolean
  refusals: number
  /** Why, when it was refused the last time. */
  refused: Error | undefined
}

export interface RefusedLinesOptions<E extends Refusable> {
  readonly clock: Clock
  /** Sends them again, in publish order. */
  readonly resend: (entries: ReadonlySet<E>) => void
  readonly fail: (entry: E, cause: Error) => void
}

const FIRST_AGAIN_MS = 50
const MOST_AGAIN_MS = 2_000

/**
 * What the broker refuses for now goes again until its deadline. RabbitMQ refuses the first messages of a channel to a queue that has no leader
 * yet, and everything while a policy limits the queue. One line per place: what is published there meanwhile waits in it and does not overtake.
 */
export class RefusedLines<E extends Refusable> {
  readonly #options: RefusedLinesOptions<E>
  /** The lines, by the names of their places: a place of others is another object with each message. */
  readonly #lines = new Map<string, Set<E>>()
  /** Why the last one of a line was refused. */
  readonly #whys = new Map<string, Error>()

  constructor(options: RefusedLinesOptions<E>) {
    this.#options = options
  }

  /** Why what goes there is refused, while there is a line. */
  why(target: Target): Error | undefined {
    return this.#whys.size > 0 ? this.#whys.get(lineOf(target)) : undefined
  }

  refused(entry: E): void {
    entry.refusals++
    if (this.takes(entry)) return
    const line = new Set([entry])
    this.#lines.set(lineOf(entry.target), line)
    void this.#again(entry, line) // never rejects
  }

  /** Whether there is a line for its place; it waits there now. */
  takes(entry: E): boolean {
    const line = this.#lines.size > 0 ? this.#lines.get(lineOf(entry.target)) : undefined
    line?.add(entry)
    return line !== undefined
  }

  async #again({ target, refusals }: E, line: Set<E>): Promise<void> {
    const { clock, resend, fail } = this.#options
    const cause = await target.whyRefused().catch(asError)
    const name = lineOf(target)
    this.#whys.set(name, cause)
    // A full topic is for its publisher to know, and soon.
    const full = cause instanceof CorebusError && cause.code === 'TOPIC_FULL'
    const release = () => {
      this.#lines.delete(name)
      this.#whys.delete(name)
      for (const entry of line) {
        if (entry.refusals > 0) entry.refused = cause
        if (entry.over || (full && entry.refusals > 0)) line.delete(entry)
        if (full && entry.refusals > 0) fail(entry, cause)
      }
      resend(line)
    }
    if (full) release()
    else clock.after(Math.min(FIRST_AGAIN_MS * 2 ** (refusals - 1), MOST_AGAIN_MS), release)
  }
}

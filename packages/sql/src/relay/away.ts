import type { Turn } from './turn.ts'

const FIRST_WAIT_MS = 100
const MOST_WAIT_MS = 5_000

interface Away {
  /** When the broker took nothing of it last. */
  readonly sinceMs: number
  readonly untilMs: number
  readonly waitMs: number
}

/** The beginning of a round. */
export interface Begun {
  readonly atMs: number
  /** The topics whose rows are left alone. */
  readonly leftAlone: readonly string[]
}

/**
 * Topics of which the broker takes nothing at the moment: their rows are left alone for a while, so that the rows of other topics, which may lie behind
 * them, leave meanwhile.
 */
export class AwayTopics {
  readonly #topics = new Map<string, Away>()

  get some(): boolean {
    return this.#topics.size > 0
  }

  /** Those whose rows are left alone now. */
  now(): readonly string[] {
    return [...this.#topics].filter(([, { untilMs }]) => untilMs > performance.now()).map(([topic]) => topic)
  }

  begin(): Begun {
    return { atMs: performance.now(), leftAlone: this.now() }
  }

  /** In so many ms the first of them is tried again; undefined without one. */
  get inMs(): number | undefined {
    if (!this.some) return undefined
    return Math.max(0, Math.min(...[...this.#topics.values()].map(({ untilMs }) => untilMs)) - performance.now())
  }

  /** What a turn says of topics. Each time that one of them takes nothing it is left alone twice as long, and as long as its rows kept others waiting. */
  after({ away, taken }: Pick<Turn, 'away' | 'taken'>, tookMs: number): void {
    for (const topic of taken) this.#topics.delete(topic)
    for (const topic of away) {
      const waitMs = Math.min((this.#topics.get(topic)?.waitMs ?? FIRST_WAIT_MS / 2) * 2, MOST_WAIT_MS)
      const sinceMs = performance.now()
      this.#topics.set(topic, { sinceMs, waitMs, untilMs: sinceMs + Math.max(waitMs, tookMs) })
    }
  }

  /** Forgets those that a round which saw all rows did not leave alone, and did not find away: they have no rows any more. */
  seenAll({ atMs, leftAlone }: Begun): void {
    for (const [topic, { sinceMs }] of this.#topics) if (sinceMs < atMs && !leftAlone.includes(topic)) this.#topics.delete(topic)
  }
}

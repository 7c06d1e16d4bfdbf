import type { Logger } from 'pino'
import { real } from '../clock.ts'

const MANY = 10
const WITHIN_MS = 60_000
/** Topics may be made of ids by mistake. */
const MOST_TOPICS = 1_000

/** Bodies that are no events, each of which becomes a dead letter, or is dropped where the group keeps none: when they are many, others publish to the topic as well, and one line says how to skip theirs. */
export class Strangers {
  readonly #logger: Pick<Logger, 'warn'>
  readonly #now: () => number
  /** When the last ones came, by group and topic; empty once it was said. */
  readonly #times = new Map<string, number[] | 'said'>()

  constructor(logger: Pick<Logger, 'warn'>, now: () => number = real.now) {
    this.#logger = logger
    this.#now = now
  }

  count(topic: string, group: string): void {
    const place = `${group}\0${topic}`
    const times = this.#times.get(place) ?? []
    if (times === 'said' || (this.#times.size >= MOST_TOPICS && !this.#times.has(place))) return
    const now = this.#now()
    times.push(now)
    if (times.length > MANY) times.shift()
    this.#times.set(place, times)
    if (times.length < MANY || now - (times[0] ?? now) > WITHIN_MS) return
    this.#times.set(place, 'said')
    this.#logger.warn(
      { topic, group },
      `${MANY} messages of ${topic} within a minute were no events, and group ${group} has given up on each of them. If others publish there too, say which are yours, and the rest is skipped: topology: { topics: { ${JSON.stringify(topic)}: ownEvents } } with ownEvents of @corebus/core/envelopes, or an in of your own (said once)`,
    )
  }
}

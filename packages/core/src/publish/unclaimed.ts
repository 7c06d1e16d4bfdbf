import type { Logger } from 'pino'
import { type Clock, monotonic } from '../clock.ts'
import type { Driver } from '../driver.ts'
import { inFrameAsLoaded } from '../process/frame.ts'

export interface Unclaimed {
  /** The broker has so many more messages of a topic. */
  stored(driver: Driver, topic: string, messages: number): void
  end(): void
}

export interface UnclaimedOptions {
  readonly clock: Clock
  readonly logger: Pick<Logger, 'warn'>
  /** Any group's: of one that has not read a topic, the depth is all that is kept. */
  readonly group: string
}

/** That nobody reads a topic is said once at each of these shares of what it may hold, in number or in time. */
const SHARES = [0.5, 0.1]
const LOOK_EVERY_MS = 60_000
/** A burst fills a topic before the minute is over. */
const LOOK_EVERY_SHARE = 0.05
/** Topics may be made of ids by mistake. */
const MOST_TOPICS = 1_000

interface Topic {
  stored: number
  lookedAt: number
  looking: boolean
  said: number
}

/**
 * What nobody reads is kept for a group that may come, and in the end refused or thrown away: that must not come as a surprise. It is looked up
 * while this process publishes, once a minute for each topic, and never on the way of a publish.
 */
export function watchUnclaimed({ clock, logger, group }: UnclaimedOptions): Unclaimed {
  const topics = new Map<string, Topic>()
  let ended = false

  function stored(driver: Driver, name: string, messages: number): void {
    const { unclaimed } = driver.capabilities
    if (!unclaimed) return
    const topic = topics.get(name) ?? known(name)
    topic.stored += messages
    if (topic.looking || ended) return
    const now = monotonic(clock)
    if (topic.stored < unclaimed.messages * LOOK_EVERY_SHARE && now - topic.lookedAt < LOOK_EVERY_MS) return
    topic.looking = true
    topic.lookedAt = now
    topic.stored = 0
    // What cannot be looked up now is looked up again later: a broker in trouble is said elsewhere.
    void inFrameAsLoaded(look, driver, unclaimed, name, topic)
      .catch(() => undefined)
      .finally(() => {
        topic.looking = false
      })
  }

  function known(name: string): Topic {
    if (topics.size >= MOST_TOPICS) topics.delete(topics.keys().next().value as string)
    // Nothing is there to be said of the first minute.
    const topic: Topic = { stored: 0, lookedAt: monotonic(clock), looking: false, said: 0 }
    topics.set(name, topic)
    return topic
  }

  async function look(
    { admin }: Driver,
    most: NonNullable<Driver['capabilities']['unclaimed']>,
    name: string,
    topic: Topic,
  ): Promise<void> {
    const [there] = await admin.topics([name])
    if (!there || there.groups.length > 0) {
      topic.said = 0
      return
    }
    const { ready, oldestMs } = await admin.depth(name, group)
    const [number, age] = [ready / most.messages, (oldestMs ?? 0) / most.keepMs]
    const share = Math.max(number, age)
    const reached = SHARES.find((one) => share >= one) ?? 0
    if (reached <= topic.said || ended) return
    topic.said = reached
    const bound = number >= age ? `${most.messages} at most are kept` : `they are kept for ${days(most.keepMs)}`
    const oldest = oldestMs === undefined ? '' : `, the oldest for ${days(oldestMs)}`
    logger.warn(
      { topic: name, waiting: ready },
      `no group has ever read topic ${name}: ${ready} messages wait there${oldest}, and ${bound}. Start its consumer, or stop publishing to it; where only other programs read it, topology: { topics: { '${name}': { unclaimed: false } } } keeps nothing`,
    )
  }

  return {
    stored,
    end: () => {
      ended = true
    },
  }
}

function days(ms: number): string {
  const hours = ms / 3_600_000
  return hours < 1 ? `${Math.round(ms / 60_000)} min` : hours < 48 ? `${Math.round(hours)} h` : `${Math.round(hours / 24)} days`
}

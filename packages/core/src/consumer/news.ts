import type { Logger } from 'pino'
import type { Driver } from '../driver.ts'
import { type GroupPlan, ownTopics } from '../handlers/plan.ts'
import { nearest } from '../options/spelling.ts'

/** What a start finds that was not there before it: worth a line, because it may be a name that is spelt wrong, or a lot of work. */
export interface News {
  /** Topics that nobody has declared, so nobody can have written to them. */
  readonly topics: readonly NewTopic[]
  /** Groups that begin with a topic that is there. */
  readonly groups: readonly (readonly [topic: string, group: string])[]
}

interface NewTopic {
  readonly topic: string
  /** One that is there, and is spelt nearly the same. */
  readonly near: string | undefined
}

/** What is new to the broker: it is asked before anything is declared. */
export async function newsOf({ admin, capabilities }: Driver, plans: readonly GroupPlan[]): Promise<News> {
  const wanted = [...new Set(plans.flatMap((plan) => ownTopics(plan, capabilities)))]
  if (wanted.length === 0) return { topics: [], groups: [] }
  const known = new Map((await admin.topics(wanted)).map(({ topic, groups }) => [topic, groups]))
  const missing = wanted.filter((topic) => !known.has(topic))
  // Every name that there is may be many, so they are asked for only when one is missing.
  const names = missing.length === 0 ? [] : (await admin.topics()).map(({ topic }) => topic)
  const pairs = plans
    .filter((plan) => plan.from === 'earliest')
    .flatMap((plan) => ownTopics(plan, capabilities).map((topic) => [topic, plan.group] as const))
  return {
    topics: missing.map((topic) => ({ topic, near: nearest(topic, names) })),
    groups: pairs.filter(([topic, group]) => known.has(topic) && !known.get(topic)?.includes(group)),
  }
}

/** What waits for groups that begin: it is counted before the first message is handled. */
export async function backlogs(driver: Driver, groups: News['groups']): Promise<readonly { group: string; topic: string; line: string }[]> {
  const all = await Promise.all(groups.map(([topic, group]) => backlog(driver, topic, group)))
  return all.filter((one) => one !== undefined)
}

async function backlog(
  { admin }: Driver,
  topic: string,
  group: string,
): Promise<{ group: string; topic: string; waiting: number; line: string } | undefined> {
  const { ready: waiting, oldestMs } = await admin.depth(topic, group)
  if (waiting === 0) return undefined
  const oldest = oldestMs === undefined ? '' : `, the oldest for ${Math.round(oldestMs / 1000)} s`
  return { group, topic, waiting, line: `group ${group} joins ${topic} for the first time: ${waiting} messages wait${oldest}` }
}

/** A handler on a topic that nobody writes is connected and does nothing: nothing else would ever tell. */
export function sayNewTopics(logger: Pick<Logger, 'info' | 'warn'>, { topics }: News): void {
  if (topics.length === 0) return
  const names = topics.map(({ topic }) => topic)
  const [they, were] = topics.length === 1 ? ['topic', 'was'] : ['topics', 'were']
  logger.info({ topics: names }, `${they} ${names.join(', ')} did not exist and ${were} made: nothing comes until somebody publishes there`)
  for (const { topic, near } of topics)
    if (near !== undefined)
      logger.warn({ topic, near }, `nobody has written to topic ${topic}, and there is a topic ${near}: is that the one that is meant?`)
}

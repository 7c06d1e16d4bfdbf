import { monotonic } from '../../clock.ts'
import type { Admin, TopicSummary } from '../../driver.ts'
import { withLimits } from '../limit.ts'
import type { Letters } from './dead-letters.ts'
import { Depths, type DepthsOptions } from './depth.ts'
import { removeGroup } from './remove-group.ts'
import { partId } from './topics.ts'
import { unsettledOf } from './unsettled.ts'

export interface AdminOptions extends DepthsOptions {
  readonly letters: Letters
  readonly timeoutMs: number
}

export function admin(options: AdminOptions): Admin {
  const { connection, topics, letters, clock, prefix, timeoutMs, ownFile } = options
  const depths = new Depths(options)
  const read = <T>(fn: () => T): Promise<T> => connection.read(fn, monotonic(clock) + timeoutMs)

  return {
    topics: (names) => read(() => summaries(names, options)),
    depth: (topic, group) => read(() => depths.of(topic, group)),
    unsettled: (name, group, { limit }) =>
      read(() => {
        const topic = topics.find(prefix + name)
        return topic ? unsettledOf(connection, topic, group, limit) : []
      }),
    deadLetters: withLimits((filter, paging) => read(() => letters.page(filter, paging))),
    replay: (filter, headers, pace) => letters.replay(filter, headers, pace),
    purge: (filter) => letters.purge(filter),
    bury: (all) => letters.bury(all),
    async removeGroup(name, group) {
      const topic = await read(() => topics.find(prefix + name))
      return topic !== undefined && removeGroup(topic, group, { connection, ownFile, name })
    },
  }
}

function summaries(wanted: readonly string[] | undefined, { connection, topics, prefix }: AdminOptions): readonly TopicSummary[] {
  return topics
    .names()
    .filter((name) => name.startsWith(prefix) && (wanted?.includes(name.slice(prefix.length)) ?? true))
    .flatMap((name) => topics.find(name) ?? [])
    .map((topic) => {
      topics.refresh(topic)
      const first = partId(topic, 0)
      // Every group has a row for each partition, so one of them names them all.
      const groups = connection.rows('SELECT grp FROM positions WHERE part_id = ? ORDER BY grp', first).map(([group]) => String(group))
      return { topic: topic.name.slice(prefix.length), groups, kept: topics.kept(topic) }
    })
}

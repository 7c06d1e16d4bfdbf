import type { Admin, Depth, Unsettled } from '../../driver.ts'
import { hasMembers } from '../groups.ts'
import { withLimits } from '../limit.ts'
import type { Broker } from './broker.ts'
import type { Group } from './group.ts'
import { Letters, type LettersOptions } from './letters.ts'
import type { Kept } from './member.ts'
import type { Topic } from './topic.ts'

export function memoryAdmin(options: LettersOptions): Admin {
  const { broker, prefix, clock } = options
  const letters = new Letters(options)
  const topicNamed = (topic: string): Topic | undefined => broker.topics.get(`${prefix}${topic}`)

  return {
    async topics(names) {
      const wanted = [...broker.topics.values()].filter(
        ({ name }) => name.startsWith(prefix) && (names?.includes(name.slice(prefix.length)) ?? true),
      )
      return wanted.map(({ name, groups, kept }) => ({ topic: name.slice(prefix.length), groups: namesOf(groups), kept }))
    },
    async depth(topic, group) {
      const found = topicNamed(topic)
      return depthOf(broker, found, found?.groups.get(group), clock.now())
    },
    async unsettled(topic, name, { limit }) {
      const group = topicNamed(topic)?.groups.get(name)
      if (!group) return []
      const out = group.members.flatMap((member) => member.unsettledReceipts().map(({ kept }) => told(kept, 'in flight')))
      return [...out, ...broker.delayed(group).map((kept) => told(kept, 'delayed'))].slice(0, limit)
    },
    deadLetters: withLimits((filter, paging) => letters.page(filter, paging)),
    replay: (filter, headers, pace) => letters.replay(filter, headers, pace),
    purge: async (filter) => letters.purge(filter),
    bury: async (all) => letters.bury(all),
    async removeGroup(topic, name) {
      const found = topicNamed(topic)
      const group = found?.groups.get(name)
      if (!found || !group?.known) return false
      if (group.members.length > 0) throw hasMembers({ topic, group: name }, group.members.length)
      broker.forget(group)
      found.remove(group)
      return true
    },
  }
}

function told({ message: { id, key }, at }: Kept, state: Unsettled['state']): Unsettled {
  return { id, ...(key !== undefined && { key }), state, publishedAt: at }
}

function namesOf(groups: ReadonlyMap<string, Group>): readonly string[] {
  return [...groups.values()].filter(({ known }) => known).map(({ name }) => name)
}

/** Of a group that has not started: what it would find. */
function depthOf(broker: Broker, topic: Topic | undefined, group: Group | undefined, now: number): Depth {
  if (!group?.started) {
    const waiting = topic?.unclaimed(now)
    const oldest = waiting?.peek()
    return {
      ready: (waiting?.length ?? 0) + (group?.ready ?? 0),
      dead: group?.dead.count(now) ?? 0,
      inFlight: 0,
      delayed: 0,
      members: 0,
      ...(oldest && { oldestMs: now - oldest.at }),
    }
  }
  const delayed = broker.delayed(group)
  let oldestAt = Number.POSITIVE_INFINITY
  for (const { at } of group.waiting()) oldestAt = Math.min(oldestAt, at)
  for (const { at } of delayed) oldestAt = Math.min(oldestAt, at)
  return {
    ready: group.ready,
    dead: group.dead.count(now),
    inFlight: group.inFlight,
    delayed: delayed.length,
    members: group.members.filter(({ stopped }) => !stopped).length,
    ...(oldestAt < Number.POSITIVE_INFINITY && { oldestMs: now - oldestAt }),
  }
}

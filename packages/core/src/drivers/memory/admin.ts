import type { Admin, Burying, Clock, DeadLetterFilter, Depth, Message, Unsettled } from '../../driver.ts'
import { hasMembers, keepsNone, notDeclared } from '../groups.ts'
import type { Broker } from './broker.ts'
import type { Group } from './group.ts'
import { type Kept, ownCopy } from './member.ts'
import { type Joining, withHeaders } from './subscription.ts'
import type { Topic } from './topic.ts'

export interface AdminOptions {
  readonly broker: Broker
  /** Topics without it belong to somebody else. */
  readonly prefix: string
  readonly clock: Clock
  readonly placeOf: Joining['placeOf']
}

export function memoryAdmin({ broker, prefix, clock, placeOf }: AdminOptions): Admin {
  const ours = (): readonly Topic[] => [...broker.topics.values()].filter(({ name }) => name.startsWith(prefix))

  // A filter's topic is a name without the prefix, as in messages; letters hold those too.
  const groupsOf = ({ topic, group }: DeadLetterFilter): readonly Group[] =>
    ours()
      .filter(({ name }) => topic === undefined || name === `${prefix}${topic}`)
      .flatMap(({ groups }) => [...groups.values()].filter(({ name }) => group === undefined || name === group))

  /** @throws CorebusError NO_SUCH_GROUP, NO_DEAD_LETTERS */
  const declared = ({ message, group: name }: Burying): { readonly message: Message; readonly group: Group } => {
    const { topic } = message
    const group = broker.topics.get(`${prefix}${topic}`)?.groups.get(name)
    if (!group?.known) throw notDeclared({ topic, group: name })
    if (group.deadLetterPlace === false) throw keepsNone({ topic, group: name })
    return { message, group }
  }

  return {
    async topics(names) {
      const wanted = ours().filter(({ name }) => names?.includes(name.slice(prefix.length)) ?? true)
      return wanted.map(({ name, groups, kept }) => ({ topic: name.slice(prefix.length), groups: namesOf(groups), kept }))
    },
    async depth(topic, group) {
      const found = broker.topics.get(`${prefix}${topic}`)
      return depthOf(broker, found, found?.groups.get(group), clock.now())
    },
    async unsettled(topic, name, { limit }) {
      const group = broker.topics.get(`${prefix}${topic}`)?.groups.get(name)
      if (!group) return []
      const out = group.members.flatMap((member) => member.unsettledReceipts().map(({ kept }) => told(kept, 'in flight')))
      return [...out, ...broker.delayed(group).map((kept) => told(kept, 'delayed'))].slice(0, limit)
    },
    async deadLetters(filter, { limit = Number.POSITIVE_INFINITY } = {}) {
      return groupsOf(filter)
        .flatMap(({ dead }) => dead.list(filter, clock.now()))
        .sort((one, other) => one.at - other.at)
        .slice(0, limit)
        .map((letter) => ({ ...letter, message: ownCopy(letter.message) }))
    },
    async replay(filter, headers) {
      let replayed = 0
      for (const group of groupsOf(filter))
        for (const message of group.dead.take(filter, clock.now())) {
          group.known = true
          group.addAgain({ message: withHeaders(message, headers), at: clock.now() })
          replayed++
        }
      return replayed
    },
    async purge(filter) {
      return groupsOf(filter).reduce((purged, { dead }) => purged + dead.take(filter, clock.now()).length, 0)
    },
    async bury(letters) {
      const at = clock.now()
      for (const { group, message } of letters.map(declared)) {
        const { place, ttlMs } = placeOf(group)
        group.dead.add({ message: ownCopy(message), group: group.name, place, at }, ttlMs)
      }
    },
    async removeGroup(topic, name) {
      const found = broker.topics.get(`${prefix}${topic}`)
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

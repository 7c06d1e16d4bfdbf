import type { Admin, Depth, TopicSummary, Unsettled } from '../../driver.ts'
import { hasMembers } from '../groups.ts'
import { withLimits } from '../limit.ts'
import { answersOf } from './answers.ts'
import type { Letters } from './dead-letters.ts'
import { isGone } from './failure.ts'
import type { Reply } from './link.ts'
import type { Names } from './names.ts'
import { keysOf } from './names.ts'
import { listOf, type Nodes } from './nodes.ts'
import { depthOf } from './scripts/depth.ts'
import { removeGroup } from './scripts/remove.ts'
import { unsettledOf as unsettledScript } from './scripts/unsettled.ts'
import type { Topology } from './topology.ts'

export interface AdminOptions {
  readonly names: Names
  readonly nodes: Nodes
  readonly topology: Topology
  readonly letters: Letters
  readonly where: string
  readonly signal: AbortSignal
}

export function admin({ names, nodes, topology, letters, where, signal }: AdminOptions): Admin {
  async function summary(topic: string): Promise<TopicSummary> {
    const stream = names.stream(topic)
    const [kept, groups] = await Promise.all([
      nodes.send(stream, ['XLEN', stream]),
      nodes.send(stream, ['XINFO', 'GROUPS', stream]).catch(noStream),
    ])
    return { topic, groups: listOf(groups).map(nameIn).sort(), kept: Number(kept) }
  }

  async function depth(topic: string, group: string): Promise<Depth> {
    const [counts, dead] = await Promise.all([nodes.run(depthOf, keysOf(names, topic, group), [group]), letters.count(topic, group)])
    const [ready = 0, inFlight = 0, delayed = 0, members = 0, oldestMs = -1] = listOf(counts).map(Number)
    return { ready, dead, inFlight, delayed, members, ...(oldestMs >= 0 && { oldestMs }) }
  }

  const said = answersOf({ nodes, where, signal })

  return {
    async topics(only) {
      return said(() => topology.topics(only).then((topics) => Promise.all([...topics].sort().map(summary))))
    },
    depth: (topic, group) => said(() => depth(topic, group)),
    async unsettled(topic, group, { limit }) {
      const reply = await said(() => nodes.run(unsettledScript, keysOf(names, topic, group), [group, String(limit)]))
      return listOf(reply).slice(0, limit).map(unsettledIn)
    },
    deadLetters: withLimits((filter, paging) => letters.page(filter, paging)),
    replay: (filter, headers, pace) => letters.replay(filter, headers, pace),
    purge: (filter) => letters.purge(filter),
    bury: (all) => letters.bury(all),
    async removeGroup(topic, group) {
      const [what, count] = listOf(await said(() => nodes.run(removeGroup, keysOf(names, topic, group), [group])))
      if (what === 'members') throw hasMembers({ topic, group }, Number(count))
      await topology.retire(topic, group)
      return count === 1
    },
  }
}

function unsettledIn(reply: Reply): Unsettled {
  const [id = '', key = '', handedOutAt = '', dueAt = '', member = ''] = listOf(reply).map(String)
  return {
    id,
    ...(key !== '' && { key: key.slice(1) }),
    ...(dueAt === '' ? { state: 'in flight', handedOutAt: Number(handedOutAt), member } : { state: 'delayed', dueAt: Number(dueAt) }),
  }
}

function noStream(thrown: unknown): Reply {
  // Declared, and nothing was ever published.
  if (thrown instanceof Error && (isGone(thrown) || /no such key/i.test(thrown.message))) return []
  throw thrown
}

function nameIn(group: Reply): string {
  const fields = listOf(group)
  return String(fields[fields.indexOf('name') + 1])
}

import type { Admin, Depth, TopicSummary, Unsettled } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { hasMembers } from '../groups.ts'
import { withLimits } from '../limit.ts'
import { answersOf } from './answers.ts'
import type { Letters } from './dead-letters.ts'
import { isGone, isNoAccess, isNoStream } from './failure.ts'
import type { Reply } from './link.ts'
import type { Names } from './names.ts'
import { keysOf } from './names.ts'
import { listOf, type Nodes } from './nodes.ts'
import type { Place, Registry } from './registry.ts'
import { depthOf } from './scripts/depth.ts'
import { removeGroup } from './scripts/remove.ts'
import { unsettledOf as unsettledScript } from './scripts/unsettled.ts'

export interface AdminOptions {
  readonly names: Names
  readonly nodes: Nodes
  readonly registry: Registry
  readonly letters: Letters
  readonly where: string
  readonly signal: AbortSignal
}

export function admin({ names, nodes, registry, letters, where, signal }: AdminOptions): Admin {
  /** Of a topic that is only a name, for what groups read from streams of others: these groups. */
  async function summary(topic: string): Promise<TopicSummary> {
    const declared = await registry.declared(topic).catch(unlessHidden)
    if (!declared) return { topic, groups: [] }
    const { stream, places } = declared
    const sources = Map.groupBy(
      places.filter(({ source, gone }) => source !== undefined && !gone),
      ({ source = '' }) => source,
    )
    const own = await groupsOf(stream)
    const elsewhere = await Promise.all([...sources].map(([source, readers]) => readingIn(source, readers)))
    const groups = [...new Set([...(own ?? []), ...elsewhere.flat()])].sort()
    const kept = own && (sources.size === 0 || own.length > 0) ? Number(await nodes.send(stream, ['XLEN', stream])) : undefined
    const others = places.filter(({ group, to, gone }) => to !== undefined && !gone && groups.includes(group))
    const lettersTo = Object.fromEntries(others.map(({ group, to = '' }) => [group, { stream: to }]))
    return { topic, groups, ...(kept !== undefined && { kept }), ...(others.length > 0 && { lettersTo }) }
  }

  /**
   * Undefined where the key holds something else (whoever started on it was refused, and an earlier build may have noted the topic), and where it is
   * none of this user's business: a list of all topics is asked for to find one that is spelt nearly the same.
   */
  async function groupsOf(stream: string): Promise<readonly string[] | undefined> {
    try {
      return listOf(await nodes.send(stream, ['XINFO', 'GROUPS', stream])).map(nameIn)
    } catch (thrown) {
      if (isNoStream(thrown) || isNoAccess(thrown)) return undefined
      return listOf(noStream(thrown)).map(nameIn)
    }
  }

  function unlessHidden(thrown: unknown): undefined {
    if (!(thrown instanceof CorebusError) || thrown.code !== 'ACCESS_REFUSED') throw thrown
  }

  async function readingIn(source: string, readers: readonly Place[]): Promise<readonly string[]> {
    const there = new Set(await groupsOf(source))
    return readers.flatMap(({ group }) => (there.has(group) ? [group] : []))
  }

  async function topicsOf(only: readonly string[] | undefined): Promise<readonly string[]> {
    if (!only) return registry.topics()
    const there = await Promise.all([...new Set(only)].map(async (topic) => ((await registry.has(topic)) ? topic : undefined)))
    return there.filter((topic) => topic !== undefined)
  }

  const keysFor = async (topic: string, group: string) => keysOf(names, await registry.streamOf(topic, group), group)

  async function depth(topic: string, group: string): Promise<Depth> {
    const [counts, dead] = await Promise.all([nodes.run(depthOf, await keysFor(topic, group), [group]), letters.count(topic, group)])
    const [ready = 0, inFlight = 0, delayed = 0, members = 0, oldestMs = -1] = listOf(counts).map(Number)
    return { ready, dead, inFlight, delayed, members, ...(oldestMs >= 0 && { oldestMs }) }
  }

  const said = answersOf({ nodes, where, signal })

  return {
    async topics(only) {
      return said(() => topicsOf(only).then((topics) => Promise.all([...topics].sort().map(summary))))
    },
    depth: (topic, group) => said(() => depth(topic, group)),
    async unsettled(topic, group, { limit }) {
      const reply = await said(async () => nodes.run(unsettledScript, await keysFor(topic, group), [group, String(limit)]))
      return listOf(reply).slice(0, limit).map(unsettledIn)
    },
    deadLetters: withLimits((filter, paging) => letters.page(filter, paging)),
    replay: (filter, headers, pace) => letters.replay(filter, headers, pace),
    purge: (filter) => letters.purge(filter),
    bury: (all) => letters.bury(all),
    async removeGroup(topic, group) {
      const [what, count] = listOf(await said(async () => nodes.run(removeGroup, await keysFor(topic, group), [group])))
      if (what === 'members') throw hasMembers({ topic, group }, Number(count))
      await registry.retire(topic, group)
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

import type { Admin, Depth, SharedDelay } from '../../driver.ts'
import type { BrokerTime } from './broker-time.ts'
import { type BuryOptions, bury } from './bury.ts'
import type { Letters } from './dead-letters.ts'
import { failureOf, isUnknownTopic } from './failure.ts'
import { decodeWish } from './group/assigner.ts'
import { decodeNote } from './group/position.ts'
import { oldestAt } from './oldest.ts'
import type { Client } from './protocol/client.ts'
import type { Entry, Registry } from './registry.ts'
import { removeGroup } from './remove-group.ts'

export interface AdminOptions extends BuryOptions {
  readonly prefix: string
  readonly client: Client
  readonly letters: Letters
  readonly registry: Registry
  readonly time: Pick<BrokerTime, 'now'>
}

interface Lag {
  readonly ready: number
  readonly inFlight: number
  /** When the oldest was published; infinity where there is none, or nobody asked. */
  readonly oldestAt: number
}

const NOTHING: Lag = { ready: 0, inFlight: 0, oldestAt: Number.POSITIVE_INFINITY }

export function admin(options: AdminOptions): Admin {
  const { names, prefix, client, letters, time, entries } = options
  /** Of a group that has not begun: all of it. */
  async function lag(topic: string, group: string, { withAge = false } = {}): Promise<Lag> {
    let leaders: readonly number[]
    try {
      leaders = await client.leaders(topic)
    } catch (thrown) {
      if (isUnknownTopic(failureOf(thrown))) return NOTHING
      throw thrown
    }
    const [begins, ends, committed] = await Promise.all([
      client.offsets(topic, leaders, 'begin'),
      client.offsets(topic, leaders, 'end'),
      client.committed(names.group(group), topic, [...leaders.keys()]),
    ])
    let [ready, inFlight] = [0, 0]
    const from = new Map<number, number>()
    for (const [partition, end] of ends.entries()) {
      // Of what no broker leads now nothing is known.
      if (end === undefined) continue
      const { offset, metadata } = committed.get(partition) ?? { offset: begins[partition] ?? 0, metadata: '' }
      const marks = decodeNote(metadata).slice(0, Math.max(end - offset, 0))
      const done = marks.filter((mark) => mark === 'done').length
      const out = marks.filter((mark) => mark !== 'done' && mark > 0).length
      inFlight += out
      if (end > offset && (leaders[partition] ?? -1) >= 0) from.set(partition, Math.max(offset, begins[partition] ?? 0))
      ready += Math.max(end - offset, 0) - done - out
    }
    return { ready, inFlight, oldestAt: withAge ? await oldestAt(client, topic, leaders, from) : Number.POSITIVE_INFINITY }
  }

  async function delaysOf(group: string, declared: readonly Entry[]): Promise<readonly SharedDelay[]> {
    const delays = [...new Set(declared.flatMap(({ delays }) => delays.map(({ afterMs }) => afterMs)))].filter((ms) => ms > 0)
    return Promise.all(
      delays.map(async (afterMs) => {
        const { ready, inFlight } = await lag(names.delay(group, afterMs), group)
        return { afterMs, waiting: ready + inFlight, group }
      }),
    )
  }

  async function members(topic: string, group: string): Promise<number> {
    const described = await client.describe(names.group(group))
    const wishes = described?.members.map(({ memberId, memberMetadata }) => decodeWish(memberId, memberMetadata)) ?? []
    return wishes.filter((wish) => wish?.topics.includes(names.topic(topic))).length
  }

  return {
    async topics(wanted) {
      const all = await entries()
      const places = new Set(all.flatMap(({ place }) => (place ? names.place(place.name) : [])))
      const found = [...(await client.topics()).keys()].filter(
        (name) => name.startsWith(prefix) && !name.startsWith('__') && !names.isOurs(name) && !places.has(name),
      )
      return found.flatMap((name) => {
        const topic = name.slice(prefix.length)
        if (wanted && !wanted.includes(topic)) return []
        return { topic, groups: [...new Set(all.filter((entry) => entry.topic === topic && !entry.gone).map(({ group }) => group))] }
      })
    },
    async depth(topic, group): Promise<Depth> {
      const declared = (await entries()).filter((entry) => entry.group === group && !entry.gone)
      const [work, again, dead, there] = await Promise.all([
        lag(names.topic(topic), group, { withAge: true }),
        lag(names.again(topic, group), group, { withAge: true }),
        letters.list({ topic, group }),
        members(topic, group),
      ])
      const at = Math.min(work.oldestAt, again.oldestAt)
      const depth = {
        ready: work.ready + again.ready,
        inFlight: work.inFlight + again.inFlight,
        dead: dead.length,
        members: there,
        ...(at < Number.POSITIVE_INFINITY && { oldestMs: Math.max(0, time.now() - at) }),
      }
      // What waits for its retry lies together for all topics of a group.
      if (declared.length > 1) return depth
      const waiting = await delaysOf(group, declared)
      return { ...depth, delayed: waiting.reduce((sum, one) => sum + one.waiting, 0) }
    },
    async sharedDelays() {
      const groups = Map.groupBy(
        (await entries()).filter(({ gone }) => !gone),
        (entry) => entry.group,
      )
      const shared = [...groups].filter(([, declared]) => declared.length > 1)
      const all = await Promise.all(shared.map(([group, declared]) => delaysOf(group, declared)))
      return all.flat().filter(({ waiting }) => waiting > 0)
    },
    deadLetters: (filter, { limit } = {}) => letters.list(filter, limit),
    replay: (filter, headers) => letters.replay(filter, headers),
    purge: (filter) => letters.purge(filter),
    bury: (all) => bury(all, options),
    removeGroup: (topic, group) => removeGroup(topic, group, { ...options, members }),
  }
}

import { hasMembers } from '../groups.ts'
import type { Names } from './names.ts'
import type { Client } from './protocol/client.ts'
import { type Entry, type Registry, readBy } from './registry.ts'
import { type TakeOutOptions, takeOut } from './take-out.ts'

export interface RemoveGroupOptions extends Pick<TakeOutOptions, 'client' | 'publisher' | 'time'> {
  readonly names: Names
  readonly registry: Registry
  readonly members: (topic: string, group: string) => Promise<number>
}

const GONE_LOOKS = 250
const LOOK_EVERY_MS = 20

/**
 * What is the group's alone on this topic: what it has committed, and the topics of what comes back to it. A delay belongs to all of its topics: of one that
 * others use too its messages are taken out. The place of its dead letters stays written down.
 */
export async function removeGroup(topic: string, group: string, options: RemoveGroupOptions): Promise<boolean> {
  const { names, client, registry, members } = options
  const ofGroup = (await registry.entries()).filter((entry) => entry.group === group && !entry.gone)
  const entry = ofGroup.find((one) => one.topic === topic)
  if (!entry) return false
  const count = await members(topic, group)
  if (count > 0) throw hasMembers({ topic, group }, count)
  const again = names.again(topic, group)
  const others = new Set(ofGroup.filter((one) => one !== entry).flatMap(({ delays }) => delays.map(({ afterMs }) => afterMs)))
  const all = entry.delays.map(({ afterMs }) => afterMs).filter((ms) => ms > 0)
  const delays = all.filter((ms) => !others.has(ms))
  const own = [again, ...delays.map((ms) => names.delay(group, ms))]
  const there = await client.topics()
  // First: only this may be refused, and nothing is done then.
  for (const name of all.filter((ms) => others.has(ms)).map((ms) => names.delay(group, ms)))
    if (there.has(name)) await takeOut(name, { ...options, groupId: names.group(group), of: { topic, group } })
  const read = [readBy(entry, names), ...own].filter((name) => there.has(name))
  if ((await client.forget(names.group(group), new Map(read.map((name) => [name, there.get(name) ?? 0])))) === 'members')
    throw hasMembers({ topic, group }, 1)
  await remove(
    own.filter((name) => there.has(name)),
    client,
  )
  const gone: Entry = {
    group,
    topic,
    delays: [],
    ...(entry.reads !== undefined && { reads: entry.reads }),
    ...(entry.place && { place: entry.place }),
    gone: true,
  }
  await registry.declare(gone)
  return true
}

/** Deleted is not yet unknown to every broker. Made anew before that, they would go with the old ones. */
async function remove(topics: readonly string[], client: Client): Promise<void> {
  if (topics.length === 0) return
  await client.delete(topics)
  for (let look = 0; look < GONE_LOOKS; look++) {
    const there = await client.topics()
    if (!topics.some((topic) => there.has(topic))) return
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
  }
}

import { assignerProtocol } from '../protocol/client.ts'

/** The protocol's name, which members of another kind do not speak. */
export const PROTOCOL = 'corebus'
const VERSION = 1

/** By topic, as the broker names it. */
export type Partitions = Readonly<Record<string, readonly number[]>>

/** What a member tells the leader. */
export interface Wish {
  readonly id: string
  readonly topics: readonly string[]
  /** What it has now and has not given up. Those it has most to do with come first. */
  readonly owned: Partitions
  readonly exclusive: boolean
  /** When it began, ms since the epoch: of two exclusive ones the first stays. */
  readonly since: number
}

/** What the leader tells a member. */
export interface Share {
  readonly partitions: Partitions
  /** Somebody else must give up some first, and then there is another round. */
  readonly unfinished: boolean
  /** Another member has it, and wants to be the only one. */
  readonly taken: boolean
}

/**
 * Each topic's partitions, evenly, over the members that want it (kafkajs's own assigners give everybody the leader's topics). Who has
 * some keeps them up to its share. What it must give up goes to nobody in this round: it finishes what it has begun, joins again without
 * them, and in that round they are dealt out. So no message is in two hands because a member came or went.
 */
export function assign(wishes: readonly Wish[], partitionsOf: (topic: string) => number): ReadonlyMap<string, Share> {
  const members = [...wishes].sort((a, b) => a.since - b.since || (a.id < b.id ? -1 : 1))
  const shares = new Map(members.map(({ id }) => [id, { partitions: {} as Record<string, number[]>, unfinished: false, taken: false }]))
  const load = new Map(members.map(({ id }) => [id, 0]))
  for (const topic of [...new Set(members.flatMap(({ topics }) => topics))].sort()) {
    const all = members.filter(({ topics }) => topics.includes(topic))
    const only = all.some(({ exclusive }) => exclusive) ? all[0] : undefined
    for (const { id } of all) if (only && id !== only.id) of(id).taken = true
    const wanting = only ? [only] : all
    const count = partitionsOf(topic)
    const owner = new Map<number, string>()
    // Also of a member that is about to leave and wants nothing any more.
    for (const { id, owned } of members) for (const partition of owned[topic] ?? []) if (!owner.has(partition)) owner.set(partition, id)
    const has = (id: string) => (members.find((one) => one.id === id)?.owned[topic] ?? []).filter((p) => p < count && owner.get(p) === id)
    // The larger shares to those that have the most now, then to those that have the least of other topics.
    const order = [...wanting].sort((a, b) => has(b.id).length - has(a.id).length || loadOf(a.id) - loadOf(b.id))
    const quota = new Map(order.map(({ id }, i) => [id, Math.floor(count / order.length) + (i < count % order.length ? 1 : 0)]))
    const dealt = new Set<number>()
    for (const { id } of order)
      for (const partition of has(id).slice(0, quota.get(id))) {
        give(id, topic, partition)
        dealt.add(partition)
      }
    let held = 0
    const free: number[] = []
    for (let partition = 0; partition < count; partition++)
      if (!dealt.has(partition)) {
        if (owner.has(partition)) held++
        else free.push(partition)
      }
    for (const { id } of order) {
      const mine = () => of(id).partitions[topic]?.length ?? 0
      while (mine() < (quota.get(id) ?? 0) && free.length > 0) give(id, topic, free.shift() as number)
      if (held > 0 && mine() < (quota.get(id) ?? 0)) of(id).unfinished = true
    }
  }
  return shares

  function of(id: string): { partitions: Record<string, number[]>; unfinished: boolean; taken: boolean } {
    return shares.get(id) as ReturnType<typeof of>
  }
  function loadOf(id: string): number {
    return load.get(id) ?? 0
  }
  function give(id: string, topic: string, partition: number): void {
    const { partitions } = of(id)
    const given = partitions[topic]
    if (given) given.push(partition)
    else partitions[topic] = [partition]
    load.set(id, loadOf(id) + 1)
  }
}

export function encodeWish({ topics, owned, exclusive, since }: Omit<Wish, 'id'>): Buffer {
  const userData = Buffer.from(JSON.stringify({ owned, exclusive, since }))
  return assignerProtocol().MemberMetadata.encode({ version: VERSION, topics: [...topics], userData })
}

export function decodeWish(id: string, metadata: Buffer): Wish | undefined {
  try {
    const { topics = [], userData } = assignerProtocol().MemberMetadata.decode(metadata) ?? {}
    const { owned = {}, exclusive = false, since = 0 } = JSON.parse(userData?.toString() || '{}')
    return { id, topics, owned, exclusive, since }
  } catch {
    return undefined // of another kind, or not said while the group is forming
  }
}

export function encodeShare({ partitions, unfinished, taken }: Share): Buffer {
  const userData = Buffer.from(JSON.stringify({ unfinished, taken }))
  const assignment = Object.fromEntries(Object.entries(partitions).map(([topic, of]) => [topic, [...of]]))
  return assignerProtocol().MemberAssignment.encode({ version: VERSION, assignment, userData })
}

export function decodeShare(assignment: Buffer): Share {
  const { assignment: partitions = {}, userData } = assignerProtocol().MemberAssignment.decode(assignment) ?? {}
  const { unfinished = false, taken = false } = JSON.parse(userData?.toString() || '{}')
  return { partitions, unfinished, taken }
}

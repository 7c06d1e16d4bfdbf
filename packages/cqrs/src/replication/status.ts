import type { BoundMaster, BoundReplica, Workings } from './workings.ts'

export interface MasterStatus {
  readonly kind: 'master'
  readonly id: string
  readonly table: string
  readonly key: string
  readonly topic: string
  readonly fields: readonly string[]
  readonly database: string
  readonly rows: number
  readonly tombstones: number
  /** When a row was changed last. */
  readonly lastAt: string | null
}

export interface ReplicaStatus {
  readonly kind: 'replica'
  readonly id: string
  readonly name: string
  readonly table: string | null
  readonly map: Readonly<Record<string, string>>
  readonly topic: string
  readonly group: string
  readonly database: string
  readonly retries: number | null
  readonly rows: number
  readonly tombstones: number
  /** Revisions that were passed over: their changes were lost, or came late. */
  readonly gaps: number
  readonly lastAt: string | null
  /** Changes that wait, and dead letters; null where the broker cannot be asked. */
  readonly waiting: number | null
  readonly dead: number | null
  readonly members: number | null
  /** How many rows its master has more, where that is in reach. */
  readonly behind: number | null
  readonly troubles: readonly string[]
}

const iso = (at: number | undefined): string | null => (at === undefined ? null : new Date(at).toISOString())

export async function statusOf(all: readonly Workings[]): Promise<readonly (MasterStatus | ReplicaStatus)[]> {
  const masters = all.flatMap((one) => one.masters)
  const replicas = all.flatMap((one) => one.replicas)
  return [...(await Promise.all(masters.map(masterStatus))), ...(await Promise.all(replicas.map((one) => replicaStatus(one, masters))))]
}

async function masterStatus({ master, database, revisions, table }: BoundMaster): Promise<MasterStatus> {
  const { id, key, topic } = master
  return database.read(async (tx) => {
    const { columns } = await table(tx)
    const { rows, tombstones, lastAt } = await revisions.totals(tx, id)
    const fields = columns.map(({ name }) => name)
    return { kind: 'master', id, table: master.table, key, topic, fields, database: database.where, rows, tombstones, lastAt: iso(lastAt) }
  })
}

async function replicaStatus(bound: BoundReplica, masters: readonly BoundMaster[]): Promise<ReplicaStatus> {
  const { replica, database, accepted, messaging } = bound
  const { id, name, table, map, topic, on } = replica
  const group = on.group ?? messaging.settings.service
  const totals = await database.read((tx) => accepted.totals(tx, name))
  const depth = await depthOf(bound, topic, group)
  const ours = masters.find(({ master }) => master.id === id)
  const behind = ours ? (await ours.database.read((tx) => ours.revisions.totals(tx, id))).rows - totals.rows : null
  const troubles = [
    ...(depth === 'none' ? [`topic ${topic} is not on the broker: no master ${id} has published, or the id is another one`] : []),
    ...(typeof depth === 'object' && depth.members === 0 ? [`group ${group} has no running consumer: npx corebus consumer`] : []),
    ...(typeof depth === 'object' && depth.dead > 0 ? [`${depth.dead} dead letters: npx corebus dlq list ${topic} --group ${group}`] : []),
  ]
  const known = typeof depth === 'object' ? depth : undefined
  return {
    kind: 'replica',
    id,
    name,
    table: table ?? null,
    map,
    topic,
    group,
    database: database.where,
    retries: on.maxRetries ?? null,
    rows: totals.rows,
    tombstones: totals.tombstones,
    gaps: totals.gaps,
    lastAt: iso(totals.lastAt),
    waiting: known?.ready ?? null,
    dead: known?.dead ?? null,
    members: known?.members ?? null,
    behind,
    troubles,
  }
}

interface Depth {
  readonly ready: number
  readonly dead: number
  readonly members: number | undefined
}

/** Nothing of a broker that is away: what the database says is said all the same. */
async function depthOf({ messaging }: BoundReplica, topic: string, group: string): Promise<Depth | 'none' | 'away'> {
  try {
    const { admin } = await messaging.driver()
    const topics = await admin.topics()
    if (!topics.some((one) => one.topic === topic)) return 'none'
    const { ready, dead, members } = await admin.depth(topic, group)
    return { ready, dead, members }
  } catch {
    return 'away'
  }
}

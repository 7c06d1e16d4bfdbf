import { real } from '../../clock.ts'
import type { Connection } from './connection.ts'
import { PARTITIONS } from './schema.ts'
import { rowOf, type Topic, type Topics } from './topics.ts'

export interface TrimOptions {
  readonly connection: Connection
  readonly topics: Topics
  readonly now: () => number
  /** What every group has settled stays at least this long. */
  readonly keepMs: number
  /** What no group reads stays this long. */
  readonly ungroupedKeepMs: number
}

const ROWS_AT_ONCE = 1_000

/** Deletes what is settled by every group and old, some rows at a time. */
export async function trim(options: TrimOptions): Promise<void> {
  const { connection, topics } = options
  for (const name of topics.names()) {
    const topic = topics.find(name)
    if (!topic) continue
    topics.refresh(topic)
    for (let part = 0; part < PARTITIONS; part++) {
      while (isDue(topic, part, options)) await connection.write(() => trimChunk(topic, part, options), { rows: ROWS_AT_ONCE })
    }
    await new Promise<void>((resolve) => real.setImmediate(resolve))
    if (!connection.isOpen) return
  }
}

function cutoff(topic: Topic, { now, keepMs, ungroupedKeepMs }: TrimOptions): number {
  return now() - (topic.grouped ? keepMs : ungroupedKeepMs)
}

/** Without a transaction: most of the time there is nothing to do. */
function isDue(topic: Topic, part: number, options: TrimOptions): boolean {
  const [base, floor] = bounds(topic, part, options.connection)
  if (base >= floor) return false
  const oldest = options.connection.row(`SELECT at FROM log_${part} WHERE seq = ?`, rowOf(topic, base))?.[0]
  return oldest === undefined || Number(oldest) < cutoff(topic, options)
}

/** The first message kept, and the first that some group still needs. */
function bounds(topic: Topic, part: number, connection: Connection): readonly [base: number, floor: number] {
  const id = topic.id * PARTITIONS + part
  const row = connection.row(
    'SELECT base, min(head, ifnull((SELECT min(lo) FROM positions WHERE part_id = parts.part_id), head)) FROM parts WHERE part_id = ?',
    id,
  )
  return [Number(row?.[0] ?? 0), Number(row?.[1] ?? 0)]
}

function trimChunk(topic: Topic, part: number, options: TrimOptions): void {
  const { connection } = options
  const [base, floor] = bounds(topic, part, connection)
  const most = Math.min(floor, base + ROWS_AT_ONCE)
  const young = connection.row(
    `SELECT seq FROM log_${part} WHERE seq >= ? AND seq < ? AND at >= ? ORDER BY seq LIMIT 1`,
    rowOf(topic, base),
    rowOf(topic, most),
    cutoff(topic, options),
  )
  const end = young === undefined ? most : Number(young[0]) - rowOf(topic, 0)
  if (end <= base) return
  connection.run(`DELETE FROM log_${part} WHERE seq >= ? AND seq < ?`, rowOf(topic, base), rowOf(topic, end))
  connection.run('UPDATE parts SET base = ? WHERE part_id = ?', end, topic.id * PARTITIONS + part)
}

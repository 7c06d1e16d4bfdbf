import type { Unsettled } from '../../driver.ts'
import type { Connection } from './connection.ts'
import { PARTITIONS } from './schema.ts'
import { decodeSpan, isDone } from './span.ts'
import { partId, rowOf, type Topic } from './topics.ts'

/** What members hold, in the log and among what comes again, and what waits for its retry. When it was handed out the file does not say. */
export function unsettledOf(connection: Connection, topic: Topic, group: string, limit: number): readonly Unsettled[] {
  const found: Unsettled[] = []
  const [first, last] = [partId(topic, 0), partId(topic, PARTITIONS - 1)]
  const held = connection.rows(
    'SELECT part_id, lo, hi, done, suspects FROM positions WHERE grp = ? AND part_id BETWEEN ? AND ? AND owner IS NOT NULL',
    ...[group, first, last],
  )
  for (const [id, lo, hi, done, suspects] of held) {
    const span = decodeSpan(Number(lo), Number(hi), done as Uint8Array | null, suspects as string | null)
    const select = `SELECT id, key, at FROM log_${Number(id) - first} WHERE seq = ?`
    for (let n = span.lo; n < span.hi && found.length < limit; n++) {
      if (isDone(span, n) || span.suspects.get(n)?.out === false) continue
      const row = connection.row(select, rowOf(topic, n))
      if (row) found.push({ state: 'in flight', ...told(row) })
    }
  }
  const again = connection.rows(
    'SELECT id, key, at, due_at, owner FROM due WHERE grp = ? AND topic_id = ? ORDER BY due_at LIMIT ?',
    ...[group, topic.id, limit],
  )
  for (const row of again)
    found.push(row[4] === null ? { state: 'delayed', ...told(row), dueAt: Number(row[3]) } : { state: 'in flight', ...told(row) })
  return found.slice(0, limit)
}

function told([id, key, at]: readonly unknown[]): Pick<Unsettled, 'id' | 'key' | 'publishedAt'> {
  return {
    id: String(id),
    ...(key !== null && { key: typeof key === 'string' ? key : Buffer.from(key as Uint8Array).toString() }),
    publishedAt: Number(at),
  }
}

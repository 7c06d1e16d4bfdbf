import type { Burying } from '../../driver.ts'
import { keepsNone, notDeclared } from '../groups.ts'
import type { Connection } from './connection.ts'
import { PARTITIONS } from './schema.ts'
import { encodeHeaders, STORED } from './stored.ts'

export interface BuryOptions {
  readonly connection: Connection
  readonly prefix: string
  readonly now: () => number
}

const ROWS_AT_ONCE = 200
const INSERT = `INSERT INTO dead (grp, topic_id, place, stored_at, expires_at, ${STORED})
  SELECT grp, topic_id, name, ?, ? + ttl_ms, ?, ?, ?, ?, ?, ? FROM places WHERE grp = ? AND topic_id = ?`

/** Into the places that the groups declared. All are looked up before the first is stored. */
export async function bury(letters: readonly Burying[], { connection, prefix, now }: BuryOptions): Promise<void> {
  const topicId = (topic: string) => connection.row('SELECT topic_id FROM topics WHERE topic = ?', prefix + topic)?.[0]
  function check({ message: { topic }, group }: Burying): void {
    const id = topicId(topic)
    if (id === undefined) throw notDeclared({ topic, group })
    if (connection.row('SELECT 1 FROM places WHERE grp = ? AND topic_id = ?', group, Number(id))) return
    const first = Number(id) * PARTITIONS
    const reads = connection.row('SELECT 1 FROM positions WHERE grp = ? AND part_id = ?', group, first)
    throw reads ? keepsNone({ topic, group }) : notDeclared({ topic, group })
  }
  function store({ message: { id, key, headers, body, tombstone, topic }, group }: Burying): void {
    const at = now()
    const values = [id, key ?? null, encodeHeaders(headers), body, at, tombstone ? 1 : 0]
    connection.run(INSERT, at, at, ...values, group, Number(topicId(topic)))
  }
  await connection.write(() => letters.forEach(check))
  for (let from = 0; from < letters.length; from += ROWS_AT_ONCE)
    await connection.write(() => letters.slice(from, from + ROWS_AT_ONCE).forEach(store), { rows: ROWS_AT_ONCE })
}

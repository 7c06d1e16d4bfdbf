import type { Message } from '../../driver.ts'
import type { Connection } from './connection.ts'
import type { Receipt } from './reader.ts'
import { PARTITIONS } from './schema.ts'
import { encodeHeaders, STORED } from './stored.ts'
import { rowOf } from './topics.ts'

/** Lays the text of the parameter over the stored headers. Done by SQLite, so that what it does not name is not touched. */
export const LAID_OVER = "CASE WHEN ? IS NULL THEN headers ELSE json_patch(ifnull(headers, '{}'), ?) END"

interface Later {
  readonly headers: Message['headers']
  readonly afterMs: number
}

const COPIES = Array.from(
  { length: PARTITIONS },
  (_, part) => `INSERT INTO due (grp, topic_id, due_at, unsettled, ${STORED})
    SELECT ?, ?, ?, 0, id, key, ${LAID_OVER}, body, at, tombstone FROM log_${part} WHERE seq = ?`,
)

/** A copy of the log's message that comes back to the group. Returns when. */
export function delay(connection: Connection, { reader, range, n }: Receipt, { headers, afterMs }: Later): number {
  const dueAt = Math.ceil(reader.clock.now() + afterMs)
  const over = encodeHeaders(headers)
  connection.run(COPIES[range?.part ?? 0] as string, reader.group, reader.topic.id, dueAt, over, over, rowOf(reader.topic, n))
  return dueAt
}

/** The copy itself waits again. */
export function delayAgain(connection: Connection, { reader, n }: Receipt, { headers, afterMs }: Later): number {
  const dueAt = Math.ceil(reader.clock.now() + afterMs)
  const over = encodeHeaders(headers)
  connection.run(
    `UPDATE due SET due_at = ?, owner = NULL, unsettled = 0, headers = ${LAID_OVER} WHERE seq = ? AND owner = ?`,
    dueAt,
    over,
    over,
    n,
    reader.member,
  )
  return dueAt
}

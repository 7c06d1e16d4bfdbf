import { hasMembers } from '../groups.ts'
import type { Connection } from './connection.ts'
import { ownerIsDead } from './owner.ts'
import { PARTITIONS } from './schema.ts'
import { partId, type Topic } from './topics.ts'

export interface RemoveGroupOptions {
  readonly connection: Connection
  readonly ownFile: () => string | undefined
  /** As users name it. */
  readonly name: string
}

/** All at once. Who has stopped and still holds something of it counts as a member too. */
export async function removeGroup(topic: Topic, group: string, { connection, ownFile, name }: RemoveGroupOptions): Promise<boolean> {
  const [first, last] = [partId(topic, 0), partId(topic, PARTITIONS - 1)]
  return connection.write((tx) => {
    const living = connection
      .rows(
        `SELECT DISTINCT file FROM members WHERE member IN (SELECT member FROM reading WHERE grp = ? AND topic_id = ?
         UNION SELECT owner FROM positions WHERE grp = ? AND part_id BETWEEN ? AND ? UNION SELECT owner FROM due WHERE grp = ? AND topic_id = ?)`,
        ...[group, topic.id, group, first, last, group, topic.id],
      )
      .filter(([file]) => file === ownFile() || !ownerIsDead(connection.path, String(file)))
    if (living.length > 0) throw hasMembers({ topic: name, group }, living.length)
    const there = connection.run('DELETE FROM positions WHERE grp = ? AND part_id BETWEEN ? AND ?', group, first, last)
    for (const table of ['due', 'reading', 'places']) connection.run(`DELETE FROM ${table} WHERE grp = ? AND topic_id = ?`, group, topic.id)
    tx.afterCommit(() => connection.changed())
    return there > 0
  })
}

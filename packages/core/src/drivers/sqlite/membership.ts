import { CorebusError } from '../../errors.ts'
import type { Connection } from './connection.ts'
import { ownerIsDead, removeOwnerFile } from './owner.ts'
import { PARTITIONS } from './schema.ts'
import { decodeSpan, encodeDone, encodeSuspects, takeOver } from './span.ts'
import { partId, type Topic, type Topics } from './topics.ts'
import type { Transaction } from './transaction.ts'

export interface JoinOptions {
  readonly topics: readonly string[]
  readonly group: string
  readonly from: 'earliest' | 'latest'
  readonly exclusive: boolean
  /** Name of the owner's file that is locked. */
  readonly file: string
}

export type Joined = { readonly kind: 'joined'; readonly member: number; readonly topics: readonly Topic[] } | { readonly kind: 'taken' }

/** Registers a member and gives its group a position in every partition that it has none in, all at once: two groups that start together lose nothing. */
export function join(connection: Connection, topics: Topics, options: JoinOptions, tx: Transaction): Joined {
  const { group, from, exclusive, file } = options
  const found = options.topics.map((name) => topics.findOrCreate(name, tx))
  if (found.some((topic) => isTaken(connection, topic, group, exclusive))) return { kind: 'taken' }
  const member = Number(connection.sql('INSERT INTO members (file) VALUES (?)').run(file).lastInsertRowid)
  const start = from === 'earliest' ? 'base' : 'head'
  for (const topic of found) {
    const first = partId(topic, 0)
    connection.run(
      'INSERT INTO reading (grp, topic_id, member, exclusive, paused) VALUES (?, ?, ?, ?, 0)',
      group,
      topic.id,
      member,
      exclusive ? 1 : 0,
    )
    connection.run(
      `INSERT OR IGNORE INTO positions (grp, part_id, lo, hi) SELECT ?, part_id, ${start}, ${start} FROM parts WHERE part_id BETWEEN ? AND ?`,
      group,
      first,
      first + PARTITIONS - 1,
    )
    connection.run('UPDATE topics SET grouped = 1 WHERE topic_id = ? AND grouped = 0', topic.id)
  }
  tx.afterCommit(() => connection.changed())
  return { kind: 'joined', member, topics: found }
}

function isTaken(connection: Connection, topic: Topic, group: string, exclusive: boolean): boolean {
  const others = connection.rows('SELECT exclusive FROM reading WHERE grp = ? AND topic_id = ?', group, topic.id)
  return others.some(([othersExclusive]) => exclusive || othersExclusive === 1)
}

export function groupTaken(group: string): CorebusError {
  return new CorebusError(
    'GROUP_TAKEN',
    `group "${group}" is read by another member, and one of the two asks to be the only one: stop the other, or use another group`,
  )
}

/** Out of the group: its share goes to the others. What it holds stays its own until it is settled or given back. */
export function leave(connection: Connection, member: number, tx: Transaction): void {
  connection.run('DELETE FROM reading WHERE member = ?', member)
  tx.afterCommit(() => connection.changed())
}

/** A paused member is counted out, so that others take what it would leave lying. */
export function pause(connection: Connection, member: number, paused: boolean, tx: Transaction): void {
  connection.run('UPDATE reading SET paused = ? WHERE member = ?', paused ? 1 : 0, member)
  tx.afterCommit(() => connection.changed())
}

/** Those of other processes, and of other drivers in this one. */
export function otherOwners(connection: Connection, own: string | undefined): readonly string[] {
  return connection
    .rows('SELECT DISTINCT file FROM members')
    .map(([file]) => String(file))
    .filter((file) => file !== own)
}

/** Gives back what the dead held; what they had been handed counts one more. */
export async function releaseDead(connection: Connection, own: string | undefined): Promise<void> {
  const dead = otherOwners(connection, own).filter((file) => ownerIsDead(connection.path, file))
  for (const file of dead) {
    await connection.write((tx) => releaseOwner(connection, file, tx), { rows: PARTITIONS })
    removeOwnerFile(connection.path, file)
  }
}

function releaseOwner(connection: Connection, file: string, tx: Transaction): void {
  for (const [member] of connection.rows('SELECT member FROM members WHERE file = ?', file)) {
    const id = Number(member)
    for (const [group, part, lo, hi, done, suspects] of connection.rows(
      'SELECT grp, part_id, lo, hi, done, suspects FROM positions WHERE owner = ?',
      id,
    )) {
      const span = decodeSpan(Number(lo), Number(hi), done as Uint8Array | null, suspects as string | null)
      takeOver(span)
      connection.run(
        'UPDATE positions SET owner = NULL, done = ?, suspects = ? WHERE grp = ? AND part_id = ?',
        encodeDone(span),
        encodeSuspects(span),
        String(group),
        Number(part),
      )
    }
    connection.run('UPDATE due SET owner = NULL, unsettled = unsettled + 1 WHERE owner = ?', id)
    forget(connection, id)
  }
  tx.afterCommit(() => connection.changed())
}

/** Nothing is held by this member any more. */
export function forget(connection: Connection, member: number): void {
  connection.run('DELETE FROM reading WHERE member = ?', member)
  connection.run('DELETE FROM members WHERE member = ?', member)
}

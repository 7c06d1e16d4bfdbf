import { monotonic } from '../../clock.ts'
import type { Admin, Clock, Depth, TopicSummary } from '../../driver.ts'
import type { Connection } from './connection.ts'
import type { Letters } from './dead-letters.ts'
import { ownerIsDead } from './owner.ts'
import { removeGroup } from './remove-group.ts'
import { PARTITIONS } from './schema.ts'
import { decodeSpan, isDone } from './span.ts'
import { partId, rowOf, type Topic, type Topics } from './topics.ts'
import { unsettledOf } from './unsettled.ts'

export interface AdminOptions {
  readonly connection: Connection
  readonly topics: Topics
  readonly letters: Letters
  readonly clock: Clock
  readonly prefix: string
  readonly timeoutMs: number
  readonly ownFile: () => string | undefined
}

interface Held {
  readonly ready: number
  readonly inFlight: number
  /** When the oldest that is not settled was published. */
  readonly oldestAt: number
}

const NOTHING: Held = { ready: 0, inFlight: 0, oldestAt: Number.POSITIVE_INFINITY }

export function admin({ connection, topics, letters, clock, prefix, timeoutMs, ownFile }: AdminOptions): Admin {
  const read = <T>(fn: () => T): Promise<T> => connection.read(fn, monotonic(clock) + timeoutMs)

  function summaries(wanted: readonly string[] | undefined): readonly TopicSummary[] {
    return topics
      .names()
      .filter((name) => name.startsWith(prefix) && (wanted?.includes(name.slice(prefix.length)) ?? true))
      .flatMap((name) => topics.find(name) ?? [])
      .map((topic) => {
        topics.refresh(topic)
        const first = partId(topic, 0)
        // Every group has a row for each partition, so one of them names them all.
        const groups = connection.rows('SELECT grp FROM positions WHERE part_id = ? ORDER BY grp', first).map(([group]) => String(group))
        return { topic: topic.name.slice(prefix.length), groups, kept: topics.kept(topic) }
      })
  }

  function depth(name: string, group: string): Depth {
    const topic = topics.find(prefix + name)
    if (!topic) return { ready: 0, dead: 0, inFlight: 0, delayed: 0, members: 0 }
    const held = inLog(topic, group)
    const now = clock.now()
    const [due = 0, delayed = 0, out = 0, oldestDue] =
      connection.row(
        `SELECT count(*) FILTER (WHERE owner IS NULL AND due_at <= ?), count(*) FILTER (WHERE owner IS NULL AND due_at > ?),
         count(*) FILTER (WHERE owner IS NOT NULL), min(at) FROM due WHERE grp = ? AND topic_id = ?`,
        now,
        now,
        group,
        topic.id,
      ) ?? []
    const dead = connection.row(
      'SELECT count(*) FROM dead WHERE topic_id = ? AND grp = ? AND ifnull(expires_at > ?, 1)',
      topic.id,
      group,
      now,
    )?.[0]
    const oldestAt = Math.min(held.oldestAt, typeof oldestDue === 'number' ? oldestDue : Number.POSITIVE_INFINITY)
    return {
      ready: held.ready + Number(due),
      dead: Number(dead),
      inFlight: held.inFlight + Number(out),
      delayed: Number(delayed),
      members: members(topic, group),
      ...(oldestAt === Number.POSITIVE_INFINITY ? {} : { oldestMs: Math.max(0, now - oldestAt) }),
    }
  }

  /** A group that has never read the topic waits for all that is kept. */
  function inLog(topic: Topic, group: string): Held {
    const first = partId(topic, 0)
    const rows = connection.rows(
      `SELECT parts.part_id, head, ifnull(lo, base), ifnull(hi, base), owner, done, suspects
       FROM parts LEFT JOIN positions ON positions.part_id = parts.part_id AND grp = ? WHERE parts.part_id BETWEEN ? AND ?`,
      group,
      first,
      first + PARTITIONS - 1,
    )
    return rows.map((row) => inPartition(topic, row)).reduce(sum, NOTHING)
  }

  function inPartition(topic: Topic, [id, head, lo, hi, owner, done, suspects]: readonly unknown[]): Held {
    const part = Number(id) - partId(topic, 0)
    const span = decodeSpan(Number(lo), Number(hi), done as Uint8Array | null, suspects as string | null)
    let ready = Number(head) - span.hi
    let inFlight = 0
    for (let n = span.lo; n < span.hi; n++) {
      if (isDone(span, n)) continue
      const isOut = owner !== null && span.suspects.get(n)?.out !== false
      if (isOut) inFlight++
      else ready++
    }
    if (ready + inFlight === 0) return NOTHING
    const at = connection.row(`SELECT at FROM log_${part} WHERE seq = ?`, rowOf(topic, span.lo))?.[0]
    return { ready, inFlight, oldestAt: typeof at === 'number' ? at : Number.POSITIVE_INFINITY }
  }

  function members(topic: Topic, group: string): number {
    return connection
      .rows('SELECT file FROM reading JOIN members USING (member) WHERE grp = ? AND topic_id = ?', group, topic.id)
      .filter(([file]) => file === ownFile() || !ownerIsDead(connection.path, String(file))).length
  }

  return {
    topics: (names) => read(() => summaries(names)),
    depth: (topic, group) => read(() => depth(topic, group)),
    unsettled: (name, group, { limit }) =>
      read(() => {
        const topic = topics.find(prefix + name)
        return topic ? unsettledOf(connection, topic, group, limit) : []
      }),
    deadLetters: (filter, { limit } = {}) => read(() => letters.list(filter, limit)),
    replay: letters.replay,
    purge: letters.purge,
    bury: letters.bury,
    async removeGroup(name, group) {
      const topic = await read(() => topics.find(prefix + name))
      return topic !== undefined && removeGroup(topic, group, { connection, ownFile, name })
    },
  }
}

function sum(a: Held, b: Held): Held {
  return { ready: a.ready + b.ready, inFlight: a.inFlight + b.inFlight, oldestAt: Math.min(a.oldestAt, b.oldestAt) }
}

import type { Clock, Depth } from '../../driver.ts'
import type { Connection } from './connection.ts'
import { ownerIsDead } from './owner.ts'
import { PARTITIONS } from './schema.ts'
import { decodeSpan, isDone } from './span.ts'
import { partId, rowOf, type Topic, type Topics } from './topics.ts'

export interface DepthsOptions {
  readonly connection: Connection
  readonly topics: Topics
  readonly clock: Clock
  readonly prefix: string
  readonly ownFile: () => string | undefined
}

interface Held {
  readonly ready: number
  readonly inFlight: number
  /** When the oldest that is not settled was published. */
  readonly oldestAt: number
}

const NOTHING: Held = { ready: 0, inFlight: 0, oldestAt: Number.POSITIVE_INFINITY }

/** How much of a topic a group has before it. Asked in a read of the connection. */
export class Depths {
  readonly #options: DepthsOptions

  constructor(options: DepthsOptions) {
    this.#options = options
  }

  of(name: string, group: string): Depth {
    const { connection, topics, clock, prefix } = this.#options
    const topic = topics.find(prefix + name)
    if (!topic) return { ready: 0, dead: 0, inFlight: 0, delayed: 0, members: 0 }
    const held = this.#inLog(topic, group)
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
    const oldestAt = Math.min(held.oldestAt, typeof oldestDue === 'number' ? oldestDue : Number.POSITIVE_INFINITY)
    return {
      ready: held.ready + Number(due),
      dead: this.#dead(topic, group, now),
      inFlight: held.inFlight + Number(out),
      delayed: Number(delayed),
      members: this.#members(topic, group),
      ...(oldestAt === Number.POSITIVE_INFINITY ? {} : { oldestMs: Math.max(0, now - oldestAt) }),
    }
  }

  /** A group that has never read the topic waits for all that is kept. */
  #inLog(topic: Topic, group: string): Held {
    const first = partId(topic, 0)
    const rows = this.#options.connection.rows(
      `SELECT parts.part_id, head, ifnull(lo, base), ifnull(hi, base), owner, done, suspects
       FROM parts LEFT JOIN positions ON positions.part_id = parts.part_id AND grp = ? WHERE parts.part_id BETWEEN ? AND ?`,
      group,
      first,
      first + PARTITIONS - 1,
    )
    return rows.map((row) => this.#inPartition(topic, row)).reduce(sum, NOTHING)
  }

  #inPartition(topic: Topic, [id, head, lo, hi, owner, done, suspects]: readonly unknown[]): Held {
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
    const at = this.#options.connection.row(`SELECT at FROM log_${part} WHERE seq = ?`, rowOf(topic, span.lo))?.[0]
    return { ready, inFlight, oldestAt: typeof at === 'number' ? at : Number.POSITIVE_INFINITY }
  }

  #dead(topic: Topic, group: string, now: number): number {
    const sql = 'SELECT count(*) FROM dead WHERE topic_id = ? AND grp = ? AND ifnull(expires_at > ?, 1)'
    return Number(this.#options.connection.row(sql, topic.id, group, now)?.[0])
  }

  #members(topic: Topic, group: string): number {
    const { connection, ownFile } = this.#options
    return connection
      .rows('SELECT file FROM reading JOIN members USING (member) WHERE grp = ? AND topic_id = ?', group, topic.id)
      .filter(([file]) => file === ownFile() || !ownerIsDead(connection.path, String(file))).length
  }
}

function sum(a: Held, b: Held): Held {
  return { ready: a.ready + b.ready, inFlight: a.inFlight + b.inFlight, oldestAt: Math.min(a.oldestAt, b.oldestAt) }
}

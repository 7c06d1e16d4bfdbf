import { CorebusError } from '../../errors.ts'
import type { Connection } from './connection.ts'
import { PARTITIONS } from './schema.ts'
import type { Transaction } from './transaction.ts'

/** A topic as this connection knows it. */
export interface Topic {
  readonly id: number
  /** As stored: with the prefix. */
  readonly name: string
  /** Where the next message of each partition goes. */
  readonly heads: number[]
  /** Some group reads it, so that nothing is kept for nobody. Once true, always true. */
  grouped: boolean
  /** The connection's generation when the above was read. */
  readAt: number
  /** Bit mask of the partitions whose head has moved in this transaction. */
  moved: number
  readonly writeHeads: () => void
}

/** Messages of one partition are numbered from 0; with the topic in front the number is the row's. */
const NUMBERS = 2 ** 36
const MOST_TOPICS = 2 ** 17 - 1

export function rowOf(topic: Topic, n: number): number {
  return topic.id * NUMBERS + n
}

export function numberOf(row: number): number {
  return row % NUMBERS
}

export function partId(topic: Topic, part: number): number {
  return topic.id * PARTITIONS + part
}

/** FNV-1a over UTF-16 code units. Stored files depend on it: the same key must find the same partition for ever. */
export function partitionOf(key: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
  hash ^= hash >>> 15
  return (hash ^ (hash >>> 8) ^ (hash >>> 4)) & (PARTITIONS - 1)
}

export class Topics {
  readonly #connection: Connection
  readonly #known = new Map<string, Topic>()

  constructor(connection: Connection) {
    this.#connection = connection
  }

  find(name: string): Topic | undefined {
    const known = this.#known.get(name)
    if (known) return known
    const row = this.#connection.row('SELECT topic_id, grouped FROM topics WHERE topic = ?', name)
    return row && this.#remember(name, Number(row[0]), row[1] === 1)
  }

  findOrCreate(name: string, tx: Transaction): Topic {
    return this.find(name) ?? this.#create(name, tx)
  }

  /** Its heads as they are in the file; inside a write transaction nobody can move them. */
  refresh(topic: Topic): void {
    if (topic.readAt === this.#connection.generation) return
    const first = partId(topic, 0)
    const rows = this.#connection.rows(
      'SELECT head FROM parts WHERE part_id BETWEEN ? AND ? ORDER BY part_id',
      first,
      first + PARTITIONS - 1,
    )
    for (let part = 0; part < PARTITIONS; part++) topic.heads[part] = Number(rows[part]?.[0] ?? 0)
    if (!topic.grouped) topic.grouped = this.#connection.row('SELECT grouped FROM topics WHERE topic_id = ?', topic.id)?.[0] === 1
    topic.readAt = this.#connection.generation
  }

  /** The number of the next message of the partition, now taken. */
  take(topic: Topic, part: number, tx: Transaction): number {
    if (topic.moved === 0) {
      tx.beforeCommit(topic.writeHeads)
      tx.onRollback(() => {
        topic.moved = 0
      })
    }
    topic.moved |= 1 << part
    const n = topic.heads[part] as number
    topic.heads[part] = n + 1
    return n
  }

  /** Messages stored in all partitions, counting those of the running transaction. */
  kept(topic: Topic): number {
    const first = partId(topic, 0)
    const gone = this.#connection.row('SELECT sum(base) FROM parts WHERE part_id BETWEEN ? AND ?', first, first + PARTITIONS - 1)
    return topic.heads.reduce((sum, head) => sum + head, 0) - Number(gone?.[0] ?? 0)
  }

  /** Every name in the file. */
  names(): readonly string[] {
    return this.#connection.rows('SELECT topic FROM topics ORDER BY topic_id').map(([name]) => String(name))
  }

  /** The file is another one now. */
  forget(): void {
    this.#known.clear()
  }

  #create(name: string, tx: Transaction): Topic {
    const id = Number(this.#connection.row('SELECT ifnull(max(topic_id), 0) + 1 FROM topics')?.[0])
    if (id > MOST_TOPICS)
      throw new CorebusError('TOO_MANY_TOPICS', `the broker's file holds ${MOST_TOPICS} topics and cannot take "${name}" as well`)
    this.#connection.run('INSERT INTO topics (topic_id, topic) VALUES (?, ?)', id, name)
    const topic = this.#remember(name, id, false)
    for (let part = 0; part < PARTITIONS; part++) {
      this.#connection.run('INSERT INTO parts (part_id, head, base) VALUES (?, 0, 0)', partId(topic, part))
    }
    tx.onRollback(() => this.#known.delete(name))
    return topic
  }

  #remember(name: string, id: number, grouped: boolean): Topic {
    const writeHeads = () => {
      for (let part = 0; part < PARTITIONS; part++) {
        if (topic.moved & (1 << part))
          this.#connection.run('UPDATE parts SET head = ? WHERE part_id = ?', topic.heads[part] as number, partId(topic, part))
      }
      topic.moved = 0
    }
    const topic: Topic = { id, name, heads: new Array<number>(PARTITIONS).fill(0), grouped, readAt: -1, moved: 0, writeHeads }
    this.#known.set(name, topic)
    return topic
  }
}

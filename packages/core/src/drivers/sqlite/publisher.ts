import type { SQLInputValue } from 'node:sqlite'
import { monotonic } from '../../clock.ts'
import type { Clock, Driver, Message } from '../../driver.ts'
import { CorebusError, PublishError, type PublishFailure } from '../../errors.ts'
import type { Connection } from './connection.ts'
import { PARTITIONS } from './schema.ts'
import { encodeHeaders, STORED } from './stored.ts'
import { partitionOf, rowOf, type Topic, type Topics } from './topics.ts'
import type { Transaction } from './transaction.ts'

export interface PublisherOptions {
  readonly connection: Connection
  readonly topics: Topics
  readonly clock: Clock
  readonly prefix: string
  readonly publishTimeoutMs: number
  /** Most messages kept of a topic that no group reads. */
  readonly ungroupedMessages: number
  /** Called in the transaction, once a topic. */
  readonly onPublished: (topic: Topic, tx: Transaction) => void
}

// More in one transaction keeps others waiting; the rest follows in the next.
const ROWS_AT_ONCE = 1_000
const BYTES_AT_ONCE = 4 * 1024 * 1024
/** Keyless messages that stay together: neighbours share pages, and still every partition gets some of a large batch. */
const SHORTEST_RUN = 16

// Eight rows a statement take four fifths of the time of eight statements.
const ROWS_PER_INSERT = 8
const COLUMNS = 7
const INSERT_ONE = inserts(1)
const INSERT_SOME = inserts(ROWS_PER_INSERT)

function inserts(rows: number): readonly string[] {
  const values = new Array(rows).fill('(?, ?, ?, ?, ?, ?, ?)').join(', ')
  return Array.from({ length: PARTITIONS }, (_, part) => `INSERT INTO log_${part} (seq, ${STORED}) VALUES ${values}`)
}

export function publisher(options: PublisherOptions): Driver['publish'] {
  const { connection, topics, clock, prefix, publishTimeoutMs } = options
  let nextPart = Math.floor(Math.random() * PARTITIONS)

  function store(messages: readonly Message[], tx: Transaction): readonly PublishFailure[] {
    const at = clock.now()
    const spread = keylessRuns(messages)
    const refused = new Map<string, Error>()
    const failures: PublishFailure[] = []
    const byPartition = Array.from({ length: PARTITIONS }, (): SQLInputValue[] => [])
    for (const [name, count] of countByTopic(messages)) {
      const topic = topics.findOrCreate(prefix + name, tx)
      topics.refresh(topic)
      const full = !topic.grouped && topics.kept(topic) + count > options.ungroupedMessages
      if (full) refused.set(name, unread(name, options.ungroupedMessages))
      else options.onPublished(topic, tx)
    }
    for (const { id, topic: name, key, headers, body, tombstone } of messages) {
      const cause = refused.size > 0 ? refused.get(name) : undefined
      if (cause) {
        failures.push({ id, permanent: false, cause })
        continue
      }
      const topic = topics.find(prefix + name) as Topic
      const part = key === undefined ? spread() : partitionOf(key)
      const seq = rowOf(topic, topics.take(topic, part, tx))
      const rows = byPartition[part] as SQLInputValue[]
      rows.push(seq, id, key ?? null, encodeHeaders(headers), body, at, tombstone ? 1 : 0)
      if (rows.length === COLUMNS * ROWS_PER_INSERT) connection.sql(INSERT_SOME[part] as string).run(...rows.splice(0))
    }
    for (const [part, rows] of byPartition.entries()) {
      while (rows.length > 0) connection.sql(INSERT_ONE[part] as string).run(...rows.splice(0, COLUMNS))
    }
    return failures
  }

  function keylessRuns(messages: readonly Message[]): () => number {
    let left = 0
    let length = 0
    for (const { key } of messages) if (key === undefined) length++
    length = Math.max(SHORTEST_RUN, Math.ceil(length / PARTITIONS))
    return () => {
      if (left === 0) {
        nextPart = (nextPart + 1) % PARTITIONS
        left = length
      }
      left--
      return nextPart
    }
  }

  return async (messages, { withinMs = publishTimeoutMs } = {}) => {
    const until = monotonic(clock) + withinMs
    const stored = await Promise.all(
      inChunks(messages).map((chunk) =>
        connection
          .write((tx) => store(chunk, tx), { rows: chunk.length, until })
          .catch((cause: Error) => chunk.map(({ id }): PublishFailure => ({ id, permanent: false, cause }))),
      ),
    )
    const failures = stored.flat()
    if (failures.length > 0) throw new PublishError(failures)
  }
}

function countByTopic(messages: readonly Message[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const { topic } of messages) counts.set(topic, (counts.get(topic) ?? 0) + 1)
  return counts
}

function inChunks(messages: readonly Message[]): readonly (readonly Message[])[] {
  const chunks: Message[][] = []
  let chunk: Message[] = []
  let bytes = 0
  for (const message of messages) {
    if (chunk.length === 0 || chunk.length >= ROWS_AT_ONCE || bytes + message.body.byteLength > BYTES_AT_ONCE) {
      chunk = []
      bytes = 0
      chunks.push(chunk)
    }
    chunk.push(message)
    bytes += message.body.byteLength
  }
  return chunks
}

function unread(topic: string, most: number): CorebusError {
  return new CorebusError(
    'TOPIC_FULL',
    `no group has ever read the topic "${topic}" and it holds ${most} messages, the most kept for nobody: start its consumer first, or stop publishing to it`,
  )
}

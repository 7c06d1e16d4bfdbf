import type { SQLInputValue } from 'node:sqlite'
import type { Burying, DeadLetter, DeadLetterFilter, Message } from '../../driver.ts'
import { bury } from './bury.ts'
import type { Connection } from './connection.ts'
import { LAID_OVER } from './delays.ts'
import type { Receipt } from './reader.ts'
import { PARTITIONS } from './schema.ts'
import { decodeMessage, encodeHeaders, STORED } from './stored.ts'
import { rowOf } from './topics.ts'

export interface Place {
  readonly name: string
  readonly ttlMs?: number
}

const INTO_DEAD = `INSERT INTO dead (grp, topic_id, place, stored_at, expires_at, ${STORED})
  SELECT ?, ?, ?, ?, ?, id, key, ${LAID_OVER}, body, at, tombstone FROM`
const FROM_LOG = Array.from({ length: PARTITIONS }, (_, part) => `${INTO_DEAD} log_${part} WHERE seq = ?`)
const FROM_DUE = `${INTO_DEAD} due WHERE seq = ? AND owner = ?`

export function insertDead(connection: Connection, receipt: Receipt, headers: Message['headers'], place: Place): void {
  const { reader, range, n } = receipt
  connection.run(FROM_LOG[range?.part ?? 0] as string, ...deadValues(receipt, headers, place), rowOf(reader.topic, n))
}

export function moveToDead(connection: Connection, receipt: Receipt, headers: Message['headers'], place: Place): void {
  const { reader, n } = receipt
  connection.run(FROM_DUE, ...deadValues(receipt, headers, place), n, reader.member)
  connection.run('DELETE FROM due WHERE seq = ? AND owner = ?', n, reader.member)
}

function deadValues({ reader }: Receipt, headers: Message['headers'], { name, ttlMs }: Place): SQLInputValue[] {
  const now = reader.clock.now()
  const over = encodeHeaders(headers)
  return [reader.group, reader.topic.id, name, now, ttlMs === undefined ? null : now + ttlMs, over, over]
}

/** Rows a statement may touch, and how many letters go in one transaction: each may be large. */
const LETTERS_AT_ONCE = 200
/** What SQLite takes for no limit. */
const ALL = -1
const READ_MS = 10_000

interface Where {
  readonly sql: string
  readonly values: readonly SQLInputValue[]
}

function where({ topic, group, place, ids }: DeadLetterFilter, prefix: string, now: number): Where {
  const conditions: [sql: string, value: SQLInputValue | undefined][] = [
    // Expired letters are deleted now and then; they are gone before.
    ['ifnull(expires_at > ?, 1)', now],
    ['topic_id IN (SELECT topic_id FROM topics WHERE topic = ?)', topic === undefined ? undefined : prefix + topic],
    ['topic_id IN (SELECT topic_id FROM topics WHERE instr(topic, ?) = 1)', prefix === '' ? undefined : prefix],
    ['grp = ?', group],
    ['place = ?', place],
    ['id IN (SELECT value FROM json_each(?))', ids === undefined ? undefined : JSON.stringify(ids)],
  ]
  const given = conditions.filter((condition): condition is [string, SQLInputValue] => condition[1] !== undefined)
  return { sql: given.map(([sql]) => `AND ${sql}`).join(' '), values: given.map(([, value]) => value) }
}

export interface Letters {
  list(filter: DeadLetterFilter, limit?: number): readonly DeadLetter[]
  replay(filter: DeadLetterFilter, headers: Message['headers']): Promise<number>
  purge(filter: DeadLetterFilter): Promise<number>
  bury(letters: readonly Burying[]): Promise<void>
  expire(): Promise<void>
}

export interface LettersOptions {
  readonly connection: Connection
  readonly prefix: string
  readonly now: () => number
}

export function letters({ connection, prefix, now }: LettersOptions): Letters {
  function list(filter: DeadLetterFilter, limit = ALL): readonly DeadLetter[] {
    const { sql, values } = where(filter, prefix, now())
    const rows = connection.rows(
      `SELECT d.seq, d.id, d.key, d.headers, d.body, d.at, d.tombstone, topic, d.grp, d.place, d.stored_at
       FROM (SELECT * FROM dead WHERE seq > 0 ${sql} ORDER BY seq LIMIT ?) d JOIN topics USING (topic_id) ORDER BY d.seq`,
      ...values,
      limit,
    )
    return rows.map((row) => ({
      message: decodeMessage(row, 1, String(row[7]).slice(prefix.length)),
      group: String(row[8]),
      place: String(row[9]),
      at: Number(row[10]),
    }))
  }

  /** Some at a time, none of those that come after we began: a letter that dies again at once would be replayed for ever. */
  async function eachChunk({ sql, values }: Where, work: (seqs: string) => void): Promise<number> {
    const until = now() + READ_MS
    const last = Number((await connection.read(() => connection.row('SELECT ifnull(max(seq), 0) FROM dead'), until))?.[0])
    let after = 0
    let count = 0
    for (;;) {
      const seqs = await connection.write(
        () => {
          const found = connection
            .rows(`SELECT seq FROM dead WHERE seq > ? AND seq <= ? ${sql} ORDER BY seq LIMIT ${LETTERS_AT_ONCE}`, after, last, ...values)
            .map(([seq]) => Number(seq))
          if (found.length > 0) work(JSON.stringify(found))
          return found
        },
        { rows: LETTERS_AT_ONCE },
      )
      count += seqs.length
      after = seqs.at(-1) ?? last
      if (seqs.length < LETTERS_AT_ONCE) return count
    }
  }

  const remove = (seqs: string) => connection.run('DELETE FROM dead WHERE seq IN (SELECT value FROM json_each(?))', seqs)

  return {
    list,
    async replay(filter, headers) {
      const over = encodeHeaders(headers)
      const count = await eachChunk(where(filter, prefix, now()), (seqs) => {
        connection.run(
          `INSERT INTO due (grp, topic_id, due_at, unsettled, ${STORED})
           SELECT grp, topic_id, ?, 0, id, key, ${LAID_OVER}, body, at, tombstone FROM dead WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq`,
          now(),
          over,
          over,
          seqs,
        )
        remove(seqs)
      })
      connection.changed()
      return count
    },
    purge: (filter) => eachChunk(where(filter, prefix, now()), remove),
    bury: (all) => bury(all, { connection, prefix, now }),
    async expire() {
      const cutoff = now()
      if (!connection.row('SELECT 1 FROM dead WHERE expires_at <= ? LIMIT 1', cutoff)) return
      await eachChunk({ sql: 'AND expires_at <= ?', values: [cutoff] }, remove)
    },
  }
}

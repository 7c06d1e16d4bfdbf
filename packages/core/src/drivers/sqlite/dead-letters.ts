import type { SQLInputValue } from 'node:sqlite'
import { monotonic } from '../../clock.ts'
import type { Burying, Clock, DeadLetter, DeadLetterFilter, DeadLetterPage, DeadLetterPaging, Message, ReplayPace } from '../../driver.ts'
import { cursorOf, positionIn } from '../cursor.ts'
import { bury } from './bury.ts'
import type { Connection } from './connection.ts'
import { LAID_OVER } from './delays.ts'
import type { Row } from './open-file.ts'
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

export interface LettersOptions {
  readonly connection: Connection
  readonly prefix: string
  readonly clock: Clock
}

/** Rows a statement may touch, and how many letters go in one transaction: each may be large. */
const LETTERS_AT_ONCE = 200
/** What SQLite takes for no limit. */
const ALL = -1
const READ_MS = 10_000

const REPLAY = `INSERT INTO due (grp, topic_id, due_at, unsettled, ${STORED})
  SELECT grp, topic_id, ?, 0, id, key, ${LAID_OVER}, body, at, tombstone FROM dead WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq`

interface Where {
  readonly sql: string
  readonly values: readonly SQLInputValue[]
}

/**
 * Letters are read in the order of their rows. The index on topic and group has that order where both are given; where one of them is not, the plus
 * keeps SQLite from an index after which it would have to sort all letters for each page.
 */
function where({ topic, group, place, ids }: DeadLetterFilter, prefix: string, now: number): Where {
  const ofTopic = `${group === undefined ? '+' : ''}topic_id = (SELECT topic_id FROM topics WHERE topic = ?)`
  const conditions: [sql: string, value: SQLInputValue | undefined][] = [
    // Expired letters are deleted now and then; they are gone before.
    ['ifnull(expires_at > ?, 1)', now],
    [ofTopic, topic === undefined ? undefined : prefix + topic],
    ['+topic_id IN (SELECT topic_id FROM topics WHERE instr(topic, ?) = 1)', prefix === '' ? undefined : prefix],
    ['grp = ?', group],
    ['place = ?', place],
    ['id IN (SELECT value FROM json_each(?))', ids === undefined ? undefined : JSON.stringify(ids)],
  ]
  const given = conditions.filter((condition): condition is [string, SQLInputValue] => condition[1] !== undefined)
  return { sql: given.map(([sql]) => `AND ${sql}`).join(' '), values: given.map(([, value]) => value) }
}

/** What is done by hand to the dead letters of a file. */
export class Letters {
  readonly #options: LettersOptions

  constructor(options: LettersOptions) {
    this.#options = options
  }

  /** In a read of the connection. */
  page(filter: DeadLetterFilter, { limit, after }: DeadLetterPaging = {}): DeadLetterPage {
    const { connection, prefix, clock } = this.#options
    const from = after === undefined ? 0 : positionIn('sqlite', after, isSeq)
    const { sql, values } = where(filter, prefix, clock.now())
    const rows = connection.rows(
      `SELECT d.seq, d.id, d.key, d.headers, d.body, d.at, d.tombstone, topic, d.grp, d.place, d.stored_at
       FROM (SELECT * FROM dead WHERE seq > ? ${sql} ORDER BY seq LIMIT ?) d JOIN topics USING (topic_id) ORDER BY d.seq`,
      from,
      ...values,
      // One more than a page says whether there is another.
      limit === undefined ? ALL : limit + 1,
    )
    const page = rows.slice(0, limit)
    const letters = page.map((row) => this.#letterIn(row))
    return { letters, ...(page.length < rows.length && { next: cursorOf('sqlite', Number(page.at(-1)?.[0])) }) }
  }

  async replay(filter: DeadLetterFilter, headers: Message['headers'], pace: ReplayPace = {}): Promise<number> {
    const { connection, prefix, clock } = this.#options
    const over = encodeHeaders(headers)
    const moved = (seqs: string): void => {
      connection.run(REPLAY, clock.now(), over, over, seqs)
      this.#delete(seqs)
    }
    // Whoever waits for messages is woken for each part, not only for the last.
    const onReplayed = (count: number): void => {
      connection.changed()
      pace.onReplayed?.(count)
    }
    return this.#eachChunk(where(filter, prefix, clock.now()), moved, { ...pace, onReplayed })
  }

  purge(filter: DeadLetterFilter): Promise<number> {
    const { prefix, clock } = this.#options
    return this.#eachChunk(where(filter, prefix, clock.now()), (seqs) => this.#delete(seqs))
  }

  bury(letters: readonly Burying[]): Promise<void> {
    const { connection, prefix, clock } = this.#options
    return bury(letters, { connection, prefix, now: clock.now })
  }

  async expire(): Promise<void> {
    const { connection, clock } = this.#options
    const cutoff = clock.now()
    if (!connection.row('SELECT 1 FROM dead WHERE expires_at <= ? LIMIT 1', cutoff)) return
    await this.#eachChunk({ sql: 'AND expires_at <= ?', values: [cutoff] }, (seqs) => this.#delete(seqs))
  }

  /** Some at a time, none of those that come after we began: a letter that dies again at once would be replayed for ever. */
  async #eachChunk(
    { sql, values }: Where,
    work: (seqs: string) => void,
    { atOnce = LETTERS_AT_ONCE, turn, onReplayed }: ReplayPace = {},
  ): Promise<number> {
    const { connection, clock } = this.#options
    const until = monotonic(clock) + READ_MS
    const last = Number((await connection.read(() => connection.row('SELECT ifnull(max(seq), 0) FROM dead'), until))?.[0])
    const most = Math.min(atOnce, LETTERS_AT_ONCE)
    let [after, count] = [0, 0]
    for (;;) {
      await turn?.()
      const seqs = await connection.write(
        () => {
          const found = connection
            .rows(`SELECT seq FROM dead WHERE seq > ? AND seq <= ? ${sql} ORDER BY seq LIMIT ?`, after, last, ...values, most)
            .map(([seq]) => Number(seq))
          if (found.length > 0) work(JSON.stringify(found))
          return found
        },
        { rows: LETTERS_AT_ONCE },
      )
      count += seqs.length
      after = seqs.at(-1) ?? last
      if (seqs.length > 0) onReplayed?.(seqs.length)
      if (seqs.length < most) return count
    }
  }

  #delete(seqs: string): void {
    this.#options.connection.run('DELETE FROM dead WHERE seq IN (SELECT value FROM json_each(?))', seqs)
  }

  #letterIn(row: Row): DeadLetter {
    return {
      message: decodeMessage(row, 1, String(row[7]).slice(this.#options.prefix.length)),
      group: String(row[8]),
      place: String(row[9]),
      at: Number(row[10]),
    }
  }
}

function isSeq(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

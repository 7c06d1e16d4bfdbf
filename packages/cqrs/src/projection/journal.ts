import type { Event, EventType } from '@corebus/core'
import { decodeJson, isEnvelope } from '@corebus/core/internal'
import { type Dialect, int64, type SqlRow, type SqlTx } from '@corebus/sql'
import { kept, NOW, quoted } from '@corebus/sql/internal'
import type { Tables } from './tables.ts'

/** An event as it is kept. */
export interface Entry {
  readonly topic: string
  readonly id: string
  /** The event's name. */
  readonly name: string
  readonly key: string | undefined
  readonly headers: Readonly<Record<string, string>>
  /** As it came; of a message of others, the event that it was read as. */
  readonly body: Uint8Array
}

export interface Kept extends Entry {
  readonly seq: bigint
}

export interface Part {
  /** Names of events. */
  readonly names: readonly string[]
  /** Those behind this one. */
  readonly after: bigint
  /** This one too. */
  readonly until: bigint
}

/** Every event that a projection of the service has handled, once, in the order in which it was handled first. */
export interface Journal {
  /** False when the event is there already. */
  append(tx: SqlTx, entry: Entry): Promise<boolean>
  read(tx: SqlTx, part: Part, limit: number): Promise<readonly Kept[]>
  count(tx: SqlTx, part: Part): Promise<number>
  /** The last number that was given; 0 when there is none. Behind a closed barrier no smaller one comes later. */
  last(tx: SqlTx): Promise<bigint>
}

export function journal(dialect: Dialect, tables: Tables): Journal {
  const table = quoted(dialect, tables.journal)
  const ignore = dialect === 'mysql' ? ['INSERT IGNORE', ''] : ['INSERT', ' ON CONFLICT DO NOTHING']
  const insert = `${ignore[0]} INTO ${table} (tid, topic, id, name, akey, headers, body, at) VALUES (?, ?, ?, ?, ?, ?, ?, ${NOW[dialect]})${ignore[1]}`
  const where = (names: readonly string[]): string => `WHERE seq > ? AND seq <= ? AND name IN (${names.map(() => '?').join(', ')})`
  return {
    async append(tx, { topic, id, name, key, headers, body }) {
      const params = [kept(`${topic} ${id}`), topic, id, name, key ?? null, JSON.stringify(headers), body]
      return (await tx.query(insert, params, { repeated: true })).affected > 0
    },
    async read(tx, { names, after, until }, limit) {
      const { rows } = await tx.query(
        `SELECT seq AS seq, topic AS topic, id AS id, name AS name, akey AS akey, headers AS headers, body AS body FROM ${table} ${where(names)} ORDER BY seq LIMIT ${limit}`,
        [after, until, ...names],
      )
      return rows.map(keptOf)
    },
    async count(tx, { names, after, until }) {
      const { rows } = await tx.query(`SELECT count(*) AS n FROM ${table} ${where(names)}`, [after, until, ...names])
      return Number(rows[0]?.n)
    },
    async last(tx) {
      const { rows } = await tx.query(`SELECT coalesce(max(seq), 0) AS seq FROM ${table}`)
      return int64(rows[0]?.seq)
    },
  }
}

function keptOf({ seq, topic, id, name, akey, headers, body }: SqlRow): Kept {
  return {
    seq: int64(seq),
    topic: String(topic),
    id: String(id),
    name: String(name),
    key: akey === null ? undefined : String(akey),
    headers: JSON.parse(String(headers)),
    body: body as Uint8Array, // `SqlTx` gives bytes so
  }
}

/** The body to keep of an event that was handled. What others wrote in an envelope of theirs is kept as one of ours. */
export function bodyOf(event: Event, type: EventType, raw: Uint8Array): Uint8Array {
  const envelope = type.in ? undefined : envelopeIn(raw)
  if (envelope?.name === event.name) return raw
  const { name, data, timestamp, source } = event
  return Buffer.from(JSON.stringify({ name, data: type.encode(data), timestamp, source }))
}

/** @throws CorebusError PAYLOAD_INVALID when the event does not fit its schema any more; SyntaxError when it is no JSON */
export function eventOf({ body }: Entry, type: EventType): Event {
  const { name, data, timestamp, source } = envelopeIn(body) ?? noEvent()
  return { name, data: type.decode(data), timestamp, source }
}

function noEvent(): never {
  throw new SyntaxError('it is no event')
}

function envelopeIn(body: Uint8Array): { name: string; data: unknown; timestamp: string; source: string } | undefined {
  try {
    const envelope = decodeJson(body)
    return isEnvelope(envelope) ? envelope : undefined
  } catch {
    // A body that is not ours is kept as it was read.
    return undefined
  }
}

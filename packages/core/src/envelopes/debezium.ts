import type { EnvelopeIn } from '../wire/foreign-envelope.ts'
import { isObject, type Json, objectIn, textIn } from './json.ts'

/** One change of a row: `z.object({ op: z.string(), before: Row.nullish(), after: Row.nullish() })` is a schema of it. */
export interface Change {
  /** c: created, u: updated, d: deleted, r: read by a snapshot, t: truncated. */
  readonly op: string
  readonly before: unknown
  readonly after: unknown
  /** Where in the log it was. */
  readonly source: Json
}

const read: EnvelopeIn = (message) => {
  const body = objectIn(message)
  // With schemas.enable the row is beside its schema, else it is all there is.
  const change = body && isObject(body.payload) && isObject(body.schema) ? body.payload : body
  if (!change || !isObject(change.source)) return undefined
  const { source } = change
  const op = textIn(change, 'op')
  const table = textIn(source, 'table') ?? textIn(source, 'collection')
  const space = textIn(source, 'schema') ?? textIn(source, 'db')
  if (op === undefined || table === undefined) return undefined
  const data: Change = { op, before: change.before ?? null, after: change.after ?? null, source }
  return {
    name: space === undefined ? table : `${space}.${table}`,
    data,
    timestamp: timeOf(source.ts_ms ?? change.ts_ms),
    source: textIn(source, 'name'),
  }
}

/** Of what a Date can be. */
const LAST_MS = 8.64e15

function timeOf(ms: unknown): string | undefined {
  return typeof ms === 'number' && Math.abs(ms) <= LAST_MS ? new Date(ms).toISOString() : undefined
}

/**
 * Changes of rows as Debezium writes them in JSON, with and without schemas: `schema.table` (of MySQL and MongoDB `database.table`) is the event's
 * name. The tombstone behind a deletion, transactions, heartbeats and changes of tables are skipped. It only reads.
 */
export const debezium: { readonly in: EnvelopeIn } = { in: read }

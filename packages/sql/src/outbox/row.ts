import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { CorebusError, type Message } from '@corebus/core'
import type { SqlRow, SqlValue } from '../tx/sql-tx.ts'
import { PARTS } from './tables.ts'

/** The columns of a message, in the order in which `columnsOf` gives their values. `part` comes first. */
export const COLUMNS = [
  'part',
  'id',
  'aggregatetype',
  'aggregateid',
  'type',
  'payload',
  'headers',
  'correlationid',
  'traceparent',
  'extras',
] as const

/** Names and ids up to this long are in their columns as they are. */
const LONGEST_NAME = 255
/** What MySQL's mediumtext takes; PostgreSQL and SQLite take more. */
export const MOST_BYTES = 16_000_000

/** What a message has that no column says, or not exactly. */
interface Extras {
  readonly encoding?: 'base64'
  readonly tombstone?: true
  readonly unreadable?: string
  readonly target?: Message['target']
  readonly properties?: Message['properties']
  /** By name: a text, or bytes in base64. */
  readonly fields?: Readonly<Record<string, { readonly text: string } | { readonly base64: string }>>
  /** Those that a column cannot have as they are: too long, with a NUL, half a character, a byte order mark at the start, or a blank at the end. */
  readonly exact?: { readonly id?: string; readonly topic?: string; readonly key?: string; readonly event?: string }
}

/** The part that a message is in: all messages of a key are in one, whatever their topics. The same in every release. */
export function partOf({ key, id }: Pick<Message, 'key' | 'id'>): number {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(key ?? id, 'utf8')) hash = Math.imul(hash ^ byte, 0x01000193)
  return ((hash ^ (hash >>> 16)) >>> 0) % PARTS
}

/** A text as a column has it: itself, or a name that stands for it alone. */
export function inColumn(text: string): string {
  if (fits(text)) return text
  return `sha256:${createHash('sha256').update(Buffer.from(text, 'utf16le')).digest('hex')}`
}

// MySQL compares without blanks at the end, PostgreSQL has no NUL, PGlite leaves out a byte order mark at the start, and nobody has half a surrogate pair.
function fits(text: string): boolean {
  return text.length <= LONGEST_NAME && !text.includes('\0') && text.isWellFormed() && !text.endsWith(' ') && !text.startsWith('\ufeff')
}

const beginsWithMark = (body: Uint8Array): boolean => body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf

/** @throws CorebusError OUTBOX_TOO_LARGE */
export function columnsOf(message: Message): readonly SqlValue[] {
  const { id, topic, key, headers, body, event } = message
  const isText = isUtf8(body) && !body.includes(0) && !beginsWithMark(body)
  const payload = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString(isText ? 'utf8' : 'base64')
  const extras = extrasOf(message, isText)
  const columns = [
    partOf(message),
    inColumn(id),
    inColumn(topic),
    key === undefined ? null : inColumn(key),
    event === undefined ? null : inColumn(event),
    payload,
    JSON.stringify(headers),
    copied(headers['corebus-correlation']),
    copied(headers.traceparent),
    extras && JSON.stringify(extras),
  ]
  for (const column of columns)
    if (typeof column === 'string' && column.length > MOST_BYTES / 4 && Buffer.byteLength(column) > MOST_BYTES)
      throw new CorebusError(
        'OUTBOX_TOO_LARGE',
        `message ${inColumn(id)} to ${inColumn(topic)} has ${Buffer.byteLength(column)} bytes as text of the outbox, and ${MOST_BYTES} are possible: publish where the data lies instead of the data`,
      )
  return columns
}

/** For people and other programs: what does not fit is in the headers. */
function copied(text: string | undefined): string | null {
  return text !== undefined && fits(text) ? text : null
}

function extrasOf(message: Message, isText: boolean): Extras | null {
  const { tombstone, unreadable, target, properties, fields } = message
  const exact = exactOf(message)
  if (isText && !tombstone && unreadable === undefined && !target && !properties && !fields && !exact) return null
  return {
    ...(!isText && { encoding: 'base64' }),
    ...(tombstone && { tombstone }),
    ...(unreadable !== undefined && { unreadable }),
    ...(target && { target }),
    ...(properties && { properties }),
    ...(fields && {
      fields: Object.fromEntries(
        Object.entries(fields).map(([name, value]) => [
          name,
          typeof value === 'string' ? { text: value } : { base64: Buffer.from(value).toString('base64') },
        ]),
      ),
    }),
    ...(exact && { exact }),
  }
}

function exactOf({ id, topic, key, event }: Message): Extras['exact'] {
  const odd = [id, topic, key, event].some((text) => text !== undefined && !fits(text))
  if (!odd) return undefined
  return {
    ...(!fits(id) && { id }),
    ...(!fits(topic) && { topic }),
    ...(key !== undefined && !fits(key) && { key }),
    ...(event !== undefined && !fits(event) && { event }),
  }
}

/** The message of a row, as it was written: every field of it. */
export function messageOf(row: SqlRow): Message {
  const extras: Extras = row.extras === null ? {} : JSON.parse(String(row.extras))
  const { exact = {}, tombstone, unreadable, target, properties, fields } = extras
  const key = exact.key ?? textOrNothing(row.aggregateid)
  const event = exact.event ?? textOrNothing(row.type)
  return {
    id: exact.id ?? String(row.id),
    topic: exact.topic ?? String(row.aggregatetype),
    ...(key !== undefined && { key }),
    headers: JSON.parse(String(row.headers)),
    body: new Uint8Array(Buffer.from(String(row.payload), extras.encoding ?? 'utf8')),
    ...(tombstone && { tombstone }),
    ...(unreadable !== undefined && { unreadable }),
    ...(event !== undefined && { event }),
    ...(target && { target }),
    ...(properties && { properties }),
    ...(fields && {
      fields: Object.fromEntries(
        Object.entries(fields).map(([name, value]) => [
          name,
          'text' in value ? value.text : new Uint8Array(Buffer.from(value.base64, 'base64')),
        ]),
      ),
    }),
  }
}

function textOrNothing(value: unknown): string | undefined {
  return value === null || value === undefined ? undefined : String(value)
}

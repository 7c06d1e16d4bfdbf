import type { Message } from '../../driver.ts'
import { setHeader } from '../headers.ts'
import type { Argument } from './link.ts'
import { PACKED } from './scripts/common.ts'

/** An entry of a stream as its author wrote it: names and values in turn. */
export interface Entry {
  readonly id: string
  readonly fields: readonly Buffer[]
}

const BODY = 'body'
const ID = 'corebus-id'
export const KEY = 'corebus-key'
const TOMBSTONE = 'corebus-tombstone'
export const OURS = 'corebus-'
/** A user's header is a field with this before its name. */
const HEADER = 'h:'
/** Of a dead letter: when it was stored, for which group, and until when it is kept. Not part of the message. */
export const DEAD = 'corebus-dead-'
const STANDARD: ReadonlySet<string> = new Set(['content-type', 'traceparent', 'tracestate', 'baggage'])

/**
 * The fields of an entry of a group's own stream, as the original has them: where those were too many for a script, one field has all. What is
 * not packed as we do it is somebody else's, and stays as it is.
 */
export function unpacked(fields: readonly Buffer[]): readonly Buffer[] {
  const [name, blob] = fields
  if (!blob || fields.length !== 2 || String(name) !== PACKED) return fields
  const values: Buffer[] = []
  for (let at = 0; at < blob.length; ) {
    const end = at + 4 <= blob.length ? at + 4 + blob.readUInt32BE(at) : Number.POSITIVE_INFINITY
    if (end > blob.length) return fields
    values.push(blob.subarray(at + 4, end))
    at = end
  }
  return values
}

/** The field that holds a header. */
export function fieldOf(header: string): string {
  return header.startsWith(OURS) || STANDARD.has(header) ? header : HEADER + header
}

/** The header that a field holds by its prefix; undefined for what has none. */
export function headerIn(field: string): string | undefined {
  return field.startsWith(HEADER) ? field.slice(HEADER.length) : undefined
}

/** The layout on the wire: fields of the author's own, and nothing else but that it is a tombstone; or `body`, our headers and the standard ones by their names, and `h:<name>` for the author's. */
export function toFields({ id, key, headers, body, tombstone, fields: own }: Message): Argument[] {
  if (own) return [...Object.entries(own).flatMap(fieldWith), ...(tombstone && !Object.hasOwn(own, TOMBSTONE) ? [TOMBSTONE, 'true'] : [])]
  const fields: Argument[] = [BODY, bytesOf(body), ID, id]
  if (key !== undefined) fields.push(KEY, key)
  if (tombstone) fields.push(TOMBSTONE, 'true')
  for (const name in headers) fields.push(fieldOf(name), headers[name] as string)
  return fields
}

const fieldWith = ([name, value]: readonly [name: string, value: string | Uint8Array]): Argument[] => [
  name,
  typeof value === 'string' ? value : bytesOf(value),
]

const bytesOf = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer => Buffer.from(buffer, byteOffset, byteLength)

/** A readable view. An entry without an id gets one from its place. */
export function fromEntry({ id: entry, fields }: Entry, topic: string, stream: string): Message {
  const headers: Record<string, string> = {}
  let body: Buffer | undefined
  let id: string | undefined
  let key: string | undefined
  let tombstone = false
  let foreign: string[] | undefined
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = (fields[i] as Buffer).toString()
    const value = fields[i + 1] as Buffer
    if (name === BODY) body = value
    else if (name === ID) id = value.toString()
    else if (name === KEY) key = value.toString()
    else if (name === TOMBSTONE) tombstone = true
    else if (name.startsWith(OURS)) {
      if (!name.startsWith(DEAD)) headers[name] = value.toString()
    } else if (STANDARD.has(name)) headers[name] = value.toString()
    else if (name.startsWith(HEADER)) setHeader(headers, name.slice(HEADER.length), value.toString())
    else {
      foreign ??= []
      foreign.push(name, value.toString())
    }
  }
  // Beside a body they are headers; without one they are the message.
  if (foreign && body)
    for (let i = 0; i < foreign.length; i += 2) {
      const name = foreign[i] as string
      if (!Object.hasOwn(headers, name)) setHeader(headers, name, foreign[i + 1] as string)
    }
  return {
    id: id ?? `redis:${stream}/${entry}`,
    topic,
    ...(key !== undefined && { key }),
    headers: body || tombstone ? headers : oursOf(headers),
    body: body ?? (tombstone ? new Uint8Array() : bodyOf(fields)),
    ...(tombstone && { tombstone: true as const }),
  }
}

/** Whoever writes fields and no `body` has them read as a JSON object of strings. */
function bodyOf(fields: readonly Buffer[]): Buffer {
  const body: [name: string, value: string][] = []
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = String(fields[i])
    if (!name.startsWith(OURS)) body.push([name, String(fields[i + 1])])
  }
  return Buffer.from(JSON.stringify(Object.fromEntries(body)))
}

function oursOf(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith(OURS)))
}

/** A field of an entry, as text. */
export function fieldIn({ fields }: Entry, name: string): string | undefined {
  for (let i = 0; i + 1 < fields.length; i += 2) if (String(fields[i]) === name) return String(fields[i + 1])
  return undefined
}

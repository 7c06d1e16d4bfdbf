import type { Message } from '../../driver.ts'
import type { Row } from './open-file.ts'

/** The columns of a message, the same in every table that holds some. */
export const STORED = 'id, key, headers, body, at, tombstone'

const NO_HEADERS: Message['headers'] = Object.freeze({})
const UTF8 = new TextDecoder()

/** Null for none. */
export function encodeHeaders(headers: Message['headers']): string | null {
  for (const _ in headers) return JSON.stringify(headers)
  return null
}

/** Reads `STORED` from column `from` on. */
export function decodeMessage(row: Row, from: number, topic: string): Message {
  const key = row[from + 1]
  const headers = row[from + 2]
  const message = {
    id: row[from] as string,
    topic,
    headers: headers === null ? NO_HEADERS : (JSON.parse(headers as string) as Message['headers']),
    body: row[from + 3] as Uint8Array,
  }
  const keyed = key === null ? message : { ...message, key: typeof key === 'string' ? key : UTF8.decode(key as Uint8Array) }
  return row[from + 5] === 1 ? { ...keyed, tombstone: true } : keyed
}

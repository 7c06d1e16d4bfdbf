import { isUtf8 } from 'node:buffer'
import { asError, CorebusError } from '../errors.ts'
import { changedByJson } from './plain.ts'

/** The body of every event on every broker, exactly these four. */
export interface Envelope {
  readonly name: string
  readonly data: unknown
  /** ISO 8601 in UTC, ending in Z. */
  readonly timestamp: string
  readonly source: string
}

const encoder = new TextEncoder()

/**
 * `isPlain`: a schema has seen to it that JSON changes nothing.
 * @throws CorebusError PAYLOAD_NOT_JSON as `encodeJson` does; without data it would be no event to those who read it.
 */
export function encodeEnvelope(name: string, data: unknown, source: string, now: number, isPlain: boolean): Uint8Array {
  const what = `the data of event ${name}`
  const text = isPlain ? jsonOf(data, what) : unchanged(data, what)
  return encoder.encode(
    `{"name":${JSON.stringify(name)},"data":${text},"timestamp":"${new Date(now).toISOString()}","source":${JSON.stringify(source)}}`,
  )
}

/** @throws CorebusError PAYLOAD_NOT_JSON for BigInt, cycles, and what JSON has no word for or would change; `what` names the message. */
export function encodeJson(value: unknown, what: string): Uint8Array {
  return encoder.encode(unchanged(value, what))
}

/** Written first, because whatever cannot be written at all, such as a circle, is found there. */
function unchanged(value: unknown, what: string): string {
  const text = jsonOf(value, what)
  const change = changedByJson(value, 'kept')
  if (change) throw new CorebusError('PAYLOAD_NOT_JSON', `${what} would be changed by JSON: ${change}`)
  return text
}

function jsonOf(value: unknown, what: string): string {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (cause) {
    const why = asError(cause).message.split('\n')[0] ?? ''
    throw new CorebusError(
      'PAYLOAD_NOT_JSON',
      `${what} cannot be written as JSON: ${why}. Send plain data: numbers, strings, arrays, objects`,
      { cause },
    )
  }
  if (text === undefined)
    throw new CorebusError('PAYLOAD_NOT_JSON', `${what} cannot be written as JSON: it is ${typeof value}. Send plain data`)
  return text
}

/** The text of a body, or undefined when it is not UTF-8. */
export function decodeText(body: Uint8Array): string | undefined {
  const text = (Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength)).toString('utf8')
  // U+FFFD stands for bytes that are no UTF-8, or was in the text: only then is the slower check needed.
  return text.includes('\uFFFD') && !isUtf8(body) ? undefined : text
}

/** @throws SyntaxError when it is not UTF-8 */
export function textOf(bytes: Uint8Array, what: string): string {
  const text = decodeText(bytes)
  if (text === undefined) throw new SyntaxError(`${what} is not UTF-8`)
  return text
}

/** @throws SyntaxError when the body is not UTF-8 JSON. */
export function decodeJson(body: Uint8Array): unknown {
  const all = decodeText(body)
  if (all === undefined) throw new SyntaxError('the body is not UTF-8')
  // RFC 8259: a byte order mark may be ignored. Its author's editor wrote it, and nobody sees it.
  const text = all.startsWith('\ufeff') ? all.slice(1) : all
  if (text === '') throw new SyntaxError('the body is empty')
  // An own "__proto__" does nothing until somebody copies it with Object.assign: it is dropped before anyone can. It may be written with escapes.
  try {
    return text.includes('__proto__') || text.includes('\\u00') ? JSON.parse(text, dropProto) : JSON.parse(text)
  } catch (thrown) {
    throw new SyntaxError(withoutText(asError(thrown).message))
  }
}

/** Some of V8's messages quote the body around the mistake, and they are logged: what users send stays out of logs. */
function withoutText(message: string): string {
  if (!message.endsWith(' is not valid JSON')) return message
  const [token = 'it'] = /^Unexpected token '.+?'(?=, )/su.exec(message) ?? []
  return `${token} is not valid JSON`
}

function dropProto(this: unknown, key: string, value: unknown): unknown {
  return key === '__proto__' ? undefined : value
}

/** What else an event says of itself, and its type: handlers are told that these are texts. Undefined when they are. */
export function wrongIn({ timestamp, source }: Record<keyof Envelope, unknown>): string | undefined {
  const wrong = Object.entries({ timestamp, source }).filter(([, value]) => typeof value !== 'string')
  if (wrong.length === 0) return undefined
  return wrong
    .map(([name, value]) => (value === undefined ? `it has no ${name}` : `its ${name} is no text but ${JSON.stringify(value)}`))
    .join(', and ')
}

export function isEnvelope(value: unknown): value is Envelope {
  return (
    typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string' && value.name !== '' && 'data' in value
  )
}

import { encodeJson } from '../wire/envelope.ts'
import type { EnvelopeIn, EnvelopeOut, Incoming } from '../wire/foreign-envelope.ts'
import { dataOf, encoded } from './json.ts'

// BinaryMessageFormatV1 of FastStream: a signature, the version, where headers and data begin, the number of headers, each name and value with its
// length before it, the data. All numbers are big-endian.
const FIELD = '__data__'
const SIGNATURE = Uint8Array.of(0x89, 0x42, 0x49, 0x4e, 0x0d, 0x0a, 0x1a, 0x0a)
const VERSION = 1
const HEADERS_AT = SIGNATURE.length + 2 + 4 + 4
const decoder = new TextDecoder('utf-8', { fatal: true })

export interface FastStreamMessage {
  readonly headers: Readonly<Record<string, string>>
  readonly data: Uint8Array
}

/**
 * The headers and the data of an entry; undefined where it is none of FastStream's. For a `decode` of one's own.
 * @throws RangeError when it is cut off, Error when it is of another version
 */
export function readFastStream({ fields, body }: Pick<Incoming, 'fields' | 'body'>): FastStreamMessage | undefined {
  const frame = fields[FIELD] ?? body
  if (SIGNATURE.some((byte, i) => frame[i] !== byte)) return undefined
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const version = view.getUint16(SIGNATURE.length)
  if (version !== VERSION) throw new Error(`the message of FastStream is in its format ${version}, and ${VERSION} is read`)
  let at = view.getUint32(SIGNATURE.length + 2)
  const dataAt = view.getUint32(SIGNATURE.length + 6)
  const number = () => {
    at += 2
    return view.getUint16(at - 2)
  }
  const string = () => {
    const length = number()
    if (at + length > frame.length) throw cutOff()
    at += length
    return decoder.decode(frame.subarray(at - length, at))
  }
  const headers: Record<string, string> = Object.create(null)
  for (let left = number(); left > 0; left--) {
    const name = string()
    headers[name] = string()
  }
  // The data come behind the headers, and may be empty.
  if (dataAt < at || dataAt > frame.length) throw cutOff()
  return { headers, data: frame.subarray(dataAt) }
}

const cutOff = () => new RangeError('the message of FastStream is cut off')

function frameOf({ headers, data }: FastStreamMessage): Uint8Array {
  const count = Object.keys(headers).length
  if (count > 0xffff) throw new RangeError(`${count} headers are too many for FastStream`)
  const texts = Object.entries(headers).flatMap((pair) => pair.flatMap((text) => withLength(encoded(text))))
  const head = new DataView(new ArrayBuffer(HEADERS_AT + 2))
  for (const [i, byte] of SIGNATURE.entries()) head.setUint8(i, byte)
  head.setUint16(SIGNATURE.length, VERSION)
  head.setUint32(SIGNATURE.length + 2, HEADERS_AT)
  const dataAt = HEADERS_AT + 2 + texts.reduce((sum, { length }) => sum + length, 0)
  head.setUint32(SIGNATURE.length + 6, dataAt)
  head.setUint16(HEADERS_AT, count)
  return Buffer.concat([new Uint8Array(head.buffer), ...texts, data])
}

function withLength(bytes: Uint8Array): readonly Uint8Array[] {
  if (bytes.length > 0xffff) throw new RangeError(`a header of ${bytes.length} bytes is too long for FastStream`)
  return [Uint8Array.of(bytes.length >> 8, bytes.length & 0xff), bytes]
}

/**
 * Messages of FastStream on Redis, which has no names for them: either all of a topic are one event, `fastStream('order.placed')`, or a header of
 * its publishers says which, `fastStream({ header: 'event' })`. Made once for a topic, since all its events name the same envelope.
 */
export function fastStream(event: string | { readonly header: string }): { readonly in: EnvelopeIn; readonly out: EnvelopeOut } {
  const read: EnvelopeIn = (message) => {
    const found = readFastStream(message)
    if (!found) return undefined
    const { headers, data } = found
    const name = typeof event === 'string' ? event : headers[event.header]
    if (!name) return undefined
    // Bytes have no content type there.
    return { name, data: dataOf(data, headers['content-type'] ?? 'application/octet-stream'), id: headers.message_id }
  }
  const write: EnvelopeOut = ({ name, data, id, headers }) => {
    if (typeof event === 'string' && event !== name)
      throw new Error(`every message of the topic is ${event}: fastStream({ header }) tells events apart`)
    const said = typeof event === 'string' ? {} : { [event.header]: name }
    const all = { correlation_id: id, message_id: id, 'content-type': 'application/json', ...headers, ...said }
    const frame = frameOf({ headers: all, data: encodeJson(data, `the data of event ${name}`) })
    return { body: frame, fields: { [FIELD]: frame } }
  }
  return { in: read, out: write }
}

import type { Burying, DeadLetter } from '../driver.ts'
import { asError, CorebusError } from '../errors.ts'
import { decodeText } from '../wire/envelope.ts'
import { checkName } from '../wire/names.ts'

/** A line of this layout. A later one that is read differently has another number. */
const FORMAT = 1

/** A dead letter as a line of JSON, with all that it takes to put it back. What is no UTF-8 is in base64. */
export function lineOf({ message, group, place, at }: DeadLetter): string {
  const { id, topic, key, headers, body, tombstone } = message
  const text = decodeText(body)
  return JSON.stringify({
    format: FORMAT,
    id,
    topic,
    group,
    place,
    at: new Date(at).toJSON(),
    ...(key !== undefined && { key }),
    headers,
    ...(tombstone ? { tombstone } : text === undefined ? { bodyBase64: Buffer.from(body).toString('base64') } : { bodyText: text }),
  })
}

/** The letters of such lines, one after another. @throws CorebusError USAGE that names the first line that is none */
export async function* lettersIn(chunks: AsyncIterable<string>): AsyncGenerator<Burying> {
  let n = 0
  for await (const line of linesIn(chunks)) {
    n++
    if (line.trim() === '') continue
    try {
      yield letterIn(JSON.parse(line) as unknown)
    } catch (thrown) {
      throw new CorebusError('USAGE', `line ${n} is no dead letter that was exported: ${asError(thrown).message}`, { cause: thrown })
    }
  }
}

/** Only a line feed ends one: JSON may have all the others that end lines elsewhere. */
async function* linesIn(chunks: AsyncIterable<string>): AsyncGenerator<string> {
  let rest: string[] = []
  for await (const chunk of chunks) {
    const [first = '', ...lines] = chunk.split('\n')
    rest.push(first)
    for (const line of lines) {
      yield rest.join('')
      rest = [line]
    }
  }
  yield rest.join('')
}

function letterIn(value: unknown): Burying {
  if (typeof value !== 'object' || value === null) throw new Error('it is no object')
  const { format, id, topic, group, key, headers, bodyText, bodyBase64, tombstone } = value as Readonly<Record<string, unknown>>
  if (format !== FORMAT) throw new Error(`its format is ${JSON.stringify(format)}, and this version reads ${FORMAT}`)
  const body = tombstone === true ? new Uint8Array() : bytesOf(bodyText, bodyBase64)
  const message = {
    id: textIn('id', id),
    topic: checkName('topic', textIn('topic', topic)),
    ...(key !== undefined && { key: textIn('key', key) }),
    headers: headersIn(headers),
    body,
    ...(tombstone === true && { tombstone: true as const }),
  }
  return { message, group: checkName('group', textIn('group', group)) }
}

function textIn(name: string, value: unknown): string {
  if (typeof value !== 'string') throw new Error(`its ${name} is no text`)
  return value
}

function bytesOf(text: unknown, base64: unknown): Uint8Array {
  if (typeof text === 'string') return Buffer.from(text)
  if (typeof base64 === 'string') return Buffer.from(base64, 'base64')
  throw new Error('it has neither bodyText nor bodyBase64')
}

function headersIn(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null) throw new Error('its headers are no object')
  for (const [name, one] of Object.entries(value)) textIn(`header ${name}`, one)
  return value as Readonly<Record<string, string>>
}

import { styleText } from 'node:util'
import type { Message } from '../driver.ts'
import { bounded, oneLine, visible } from '../observe/readable.ts'
import { decodeText } from '../wire/envelope.ts'

const MOST_BODY = 4_000
const BYTES_A_LINE = 16
const INDENT = '  '

type Field = readonly [name: string, value: string | null | undefined]

/** A line for each field that has a value. Nothing of it can move a terminal's cursor or forge a line. */
export function fieldLines(fields: readonly Field[]): readonly string[] {
  const there = fields.filter((field): field is readonly [string, string] => field[1] !== null && field[1] !== undefined && field[1] !== '')
  const widest = Math.max(...there.map(([name]) => name.length))
  return there.map(([name, value]) => `${dim(name.padEnd(widest))}  ${oneLine(value)}`)
}

export function section(title: string, text: string): readonly string[] {
  const lines = visible(text.replace(/\r\n/g, '\n')).split('\n')
  return [dim(title), ...lines.map((line) => `${INDENT}${line}`)]
}

export function headerLines(headers: Readonly<Record<string, string>>): readonly string[] {
  const all = Object.entries(headers)
  return all.length === 0 ? [] : [dim('headers'), ...all.map(([name, value]) => `${INDENT}${oneLine(name)}: ${oneLine(value)}`)]
}

/** The body of a message as indented JSON, as text, or as bytes in hexadecimal; no more of it than somebody reads, unless it is to be `full`. */
export function bodyLines(message: Pick<Message, 'body' | 'tombstone'>, full: boolean): readonly string[] {
  return section(...bodyOf(message, full))
}

function bodyOf({ body, tombstone }: Pick<Message, 'body' | 'tombstone'>, full: boolean): readonly [title: string, text: string] {
  const cut = (text: string) => (full ? text : bounded(text, MOST_BODY))
  if (tombstone) return ['body', 'none: it is a tombstone']
  const title = `body, ${body.byteLength} ${body.byteLength === 1 ? 'byte' : 'bytes'}`
  const told = bodyJson(body)
  if ('body' in told) return [title, cut(JSON.stringify(told.body, null, 2))]
  if (told.bodyText !== undefined) return [`${title}, no JSON`, cut(told.bodyText)]
  return [`${title}, no text`, dump(body, full)]
}

/** The body of a message for programs. */
export interface BodyJson {
  /** The parsed JSON; what is none is under `bodyText`, what is no text under `bodyBase64`. */
  readonly body?: unknown
  readonly bodyText?: string
  readonly bodyBase64?: string
}

export function bodyJson(bytes: Uint8Array): BodyJson {
  const text = decodeText(bytes)
  if (text === undefined) return { bodyBase64: Buffer.from(bytes).toString('base64') }
  try {
    const body = JSON.parse(text) as unknown
    // What is nested deeper than the stack can be read and not written.
    JSON.stringify(body)
    return { body }
  } catch {
    return { bodyText: text } // that it is no JSON may be why it is here
  }
}

/** Bytes in hexadecimal, and beside them what of it is ASCII. */
function dump(bytes: Uint8Array, full: boolean): string {
  const most = full ? bytes.byteLength : Math.min(bytes.byteLength, MOST_BODY / 4)
  const lines: string[] = []
  for (let from = 0; from < most; from += BYTES_A_LINE) {
    const some = Buffer.from(bytes.subarray(from, Math.min(from + BYTES_A_LINE, most)))
    const hex = some.toString('hex').replace(/..(?=.)/g, '$& ')
    lines.push(
      `${from.toString(16).padStart(6, '0')}  ${hex.padEnd(3 * BYTES_A_LINE - 1)}  ${some.toString('latin1').replace(/[^ -~]/g, '.')}`,
    )
  }
  return most < bytes.byteLength ? [...lines, `… (${bytes.byteLength - most} bytes more)`].join('\n') : lines.join('\n')
}

/** Text is dimmed on a terminal only: what is piped has no colours. */
function dim(text: string): string {
  return styleText('dim', text, { stream: process.stdout })
}

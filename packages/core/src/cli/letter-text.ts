import { styleText } from 'node:util'
import type { DeadLetter } from '../driver.ts'
import { bounded, oneLine, visible } from '../observe/readable.ts'
import { HEADER } from '../wire/headers.ts'
import { age } from './age.ts'
import { asJson, type LetterJson } from './letters.ts'

export interface LetterTextOptions {
  readonly now: number
  /** Nothing is cut. */
  readonly full?: boolean
}

const MOST_BODY = 4_000
const MOST_STACK_LINES = 8
const BYTES_A_LINE = 16
const INDENT = '  '

/** A letter as somebody reads it: what it is, why it is here, and what it says. Nothing of it can move a terminal's cursor or forge a line. */
export function asText(letter: DeadLetter, { now, full = false }: LetterTextOptions): string {
  const told = asJson(letter)
  const { id, topic, group, place, event, key, at, attempts, reason, code, error, stack } = told
  const { [HEADER.correlation]: correlation, [HEADER.causation]: causation, [HEADER.leftOut]: leftOut } = letter.message.headers
  const rows: readonly (readonly [name: string, value: string | null | undefined])[] = [
    ['id', id],
    ['topic', topic],
    ['group', group],
    ['place', place],
    ['event', event],
    ['key', key],
    ['when', `${at} (${age(now - Date.parse(at))} ago)`],
    ['attempts', String(attempts)],
    ['reason', reason],
    ['code', code],
    ['correlation', correlation],
    ['causation', causation],
    ['left out', leftOut],
  ]
  const there = rows.filter((row): row is readonly [string, string] => row[1] !== null && row[1] !== undefined && row[1] !== '')
  const widest = Math.max(...there.map(([name]) => name.length))
  return [
    ...there.map(([name, value]) => `${dim(name.padEnd(widest))}  ${oneLine(value)}`),
    ...section('error', error ?? 'none was recorded'),
    ...(stack === null ? [] : section('stack', full ? stack : shortened(stack))),
    ...headersOf(told),
    ...section(...bodyOf(letter, told, full)),
  ].join('\n')
}

function section(title: string, text: string): readonly string[] {
  const lines = visible(text.replace(/\r\n/g, '\n')).split('\n')
  return [dim(title), ...lines.map((line) => `${INDENT}${line}`)]
}

function headersOf({ headers }: LetterJson): readonly string[] {
  const all = Object.entries(headers)
  return all.length === 0 ? [] : [dim('headers'), ...all.map(([name, value]) => `${INDENT}${oneLine(name)}: ${oneLine(value)}`)]
}

function bodyOf({ message }: DeadLetter, told: LetterJson, full: boolean): readonly [title: string, text: string] {
  const cut = (text: string) => (full ? text : bounded(text, MOST_BODY))
  if (message.tombstone) return ['body', 'none: it is a tombstone']
  const title = `body, ${message.body.byteLength} ${message.body.byteLength === 1 ? 'byte' : 'bytes'}`
  if ('body' in told) return [title, cut(JSON.stringify(told.body, null, 2))]
  if (told.bodyText !== undefined) return [`${title}, no JSON`, cut(told.bodyText)]
  return [`${title}, no text`, dump(message.body, full)]
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

function shortened(stack: string): string {
  const lines = stack.split('\n')
  const more = lines.length - MOST_STACK_LINES
  return more > 1 ? [...lines.slice(0, MOST_STACK_LINES), `… (${more} lines more)`].join('\n') : stack
}

/** Text is dimmed on a terminal only: what is piped has no colours. */
function dim(text: string): string {
  return styleText('dim', text, { stream: process.stdout })
}

import type { DeadLetter } from '../driver.ts'
import { oneLine } from '../observe/readable.ts'
import { isEnvelope } from '../wire/envelope.ts'
import { HEADER, RESERVED_PREFIX } from '../wire/headers.ts'
import { age } from './age.ts'
import { type BodyJson, bodyJson } from './message-text.ts'
import { type Column, cut, Layout, terminalWidth } from './table.ts'

/** Everything known of a letter, in plain words. */
export interface LetterJson extends BodyJson {
  readonly id: string
  readonly topic: string
  readonly group: string
  readonly key: string | null
  readonly event: string | null
  readonly at: string
  /** Calls made before it was given up. */
  readonly attempts: number
  readonly reason: string | null
  /** The code of the error, where it has one, such as ECONNREFUSED. */
  readonly code: string | null
  readonly error: string | null
  readonly stack: string | null
  /** The author's own. */
  readonly headers: Readonly<Record<string, string>>
  /** Where it lies on the broker. */
  readonly place: string
}

export function asJson({ message, group, place, at }: DeadLetter): LetterJson {
  const { headers } = message
  const body = bodyJson(message.body)
  return {
    id: message.id,
    topic: message.topic,
    group,
    key: message.key ?? null,
    event: isEnvelope(body.body) ? body.body.name : null,
    at: timeOf(at),
    attempts: attemptsOf(headers[HEADER.attempt]),
    reason: headers[HEADER.reason] ?? null,
    code: headers[HEADER.errorCode] || null,
    error: headers[HEADER.error] ?? null,
    stack: headers[HEADER.errorStack] ?? null,
    headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith(RESERVED_PREFIX))),
    place,
    ...body,
  }
}

/** A letter may say anything of itself: somebody else may have written it. */
function timeOf(at: number): string {
  const time = new Date(at)
  return Number.isNaN(time.getTime()) ? new Date(0).toISOString() : time.toISOString()
}

function attemptsOf(said: string | undefined): number {
  const attempts = Number(said ?? 1)
  return Number.isSafeInteger(attempts) && attempts > 0 ? attempts : 1
}

const COLUMNS: readonly Column[] = [
  { title: 'ID' },
  { title: 'TOPIC', shrinks: true },
  { title: 'GROUP', shrinks: true },
  { title: 'REASON', shrinks: true },
  { title: 'AGE', align: 'right' },
]

export function asTable(letters: readonly DeadLetter[], now: number, width: number = terminalWidth()): string {
  return new LetterTable(now, width).page(letters)
}

/** A table of letters that come a page at a time: its head stands above the first page, and its columns are those of that. */
export class LetterTable {
  readonly #now: number
  readonly #width: number
  #layout: Layout | undefined

  constructor(now: number, width: number = terminalWidth()) {
    this.#now = now
    this.#width = width
  }

  /** A line for what a letter is, and one below for what went wrong. */
  page(letters: readonly DeadLetter[]): string {
    const all = letters.map(asJson)
    const rows = all.map(({ id, topic, group, reason, at }) => [id, topic, group, reason ?? '-', age(this.#now - Date.parse(at))])
    const isFirst = this.#layout === undefined
    this.#layout ??= new Layout(COLUMNS, rows, this.#width)
    const lines = this.#layout.lines(rows).flatMap((line, i) => [line, cut(detailOf(all[i]), this.#width)])
    return [...(isFirst ? [this.#layout.head()] : []), ...lines].join('\n')
  }
}

function detailOf(letter: LetterJson | undefined): string {
  if (!letter) return ''
  const { event, error, attempts } = letter
  const firstLine = error?.split('\n')[0] ?? 'no error was recorded'
  return oneLine(`    ${event === null ? '' : `${event}: `}${firstLine} (attempt ${attempts})`)
}

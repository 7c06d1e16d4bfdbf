import type { DeadLetter } from '../driver.ts'
import { HEADER } from '../wire/headers.ts'
import { age } from './age.ts'
import { asJson } from './letters.ts'
import { bodyLines, fieldLines, headerLines, section } from './message-text.ts'

export interface LetterTextOptions {
  readonly now: number
  /** Nothing is cut. */
  readonly full?: boolean
}

const MOST_STACK_LINES = 8

/** A letter as somebody reads it: what it is, why it is here, and what it says. */
export function asText(letter: DeadLetter, { now, full = false }: LetterTextOptions): string {
  const { id, topic, group, place, event, key, at, attempts, reason, code, error, stack, headers } = asJson(letter)
  const { [HEADER.correlation]: correlation, [HEADER.causation]: causation, [HEADER.leftOut]: leftOut } = letter.message.headers
  return [
    ...fieldLines([
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
    ]),
    ...section('error', error ?? 'none was recorded'),
    ...(stack === null ? [] : section('stack', full ? stack : shortened(stack))),
    ...headerLines(headers),
    ...bodyLines(letter.message, full),
  ].join('\n')
}

function shortened(stack: string): string {
  const lines = stack.split('\n')
  const more = lines.length - MOST_STACK_LINES
  return more > 1 ? [...lines.slice(0, MOST_STACK_LINES), `… (${more} lines more)`].join('\n') : stack
}

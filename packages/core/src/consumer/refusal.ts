import type { Keeps, Settlement } from '../driver.ts'
import { CorebusError } from '../errors.ts'
import { HEADER, RESERVED_PREFIX } from '../wire/headers.ts'
import { burial, type Counts, type Outcome, type OutcomePolicy } from './outcome.ts'

/** What the letter has of its message, fullest first. */
const LESS: Readonly<Record<Keeps, Keeps | undefined>> = { all: 'body', body: 'nothing', nothing: undefined }
const SHORT_ERROR = 512

/** What is wrong with a place and not with the letter: a smaller one would be refused as well, and whoever mends the place is to find it whole. */
const OF_THE_PLACE: ReadonlySet<string> = new Set(['ACCESS_REFUSED', 'NOT_FOUND', 'TOPOLOGY', 'TARGET'])

/**
 * What follows when the broker refuses a copy for good, and asking again cannot help: instead of a retry a dead letter, and of a dead letter the
 * fullest form that is left: without our stack, without the headers of its author, without its body. Undefined when no less is left, or would help.
 */
export function afterRefusal(
  outcome: Outcome,
  why: Error,
  { attempt }: Counts,
  { group, keepsDeadLetters, now }: Pick<OutcomePolicy, 'group' | 'keepsDeadLetters'> & { readonly now: number },
): Outcome | undefined {
  const { settlement } = outcome
  if (settlement.kind === 'ack') return undefined
  if (settlement.kind === 'retry') {
    const error = new Error(`its retry cannot be stored: ${why.message}`, { cause: 'error' in outcome ? outcome.error : why })
    const { delivery } = settlement
    if (!keepsDeadLetters) return { kind: 'drop', settlement: { kind: 'ack', delivery }, reason: 'unstorable', error }
    return {
      kind: 'deadLetter',
      settlement: burial(delivery, { attempt, error, reason: 'unstorable', group, now }),
      reason: 'unstorable',
      error,
    }
  }
  if (why instanceof CorebusError && OF_THE_PLACE.has(why.code)) return undefined
  const less = smaller(settlement)
  return less && outcome.kind === 'deadLetter' ? { ...outcome, settlement: less } : undefined
}

function smaller(letter: Settlement & { kind: 'deadLetter' }): Settlement | undefined {
  const { keeps = 'all', delivery } = letter
  const { [HEADER.errorStack]: stack, ...headers } = letter.headers
  if (stack !== undefined && stack !== '') return { ...letter, headers }
  const less = LESS[keeps]
  if (less === undefined) return undefined
  const { message } = delivery
  const leftOut = `${Object.keys(message.headers).filter((name) => !name.startsWith(RESERVED_PREFIX)).length} headers${less === 'nothing' ? ` and a body of ${message.body.length} bytes` : ''}`
  return {
    ...letter,
    keeps: less,
    headers: { ...headers, [HEADER.error]: headers[HEADER.error]?.slice(0, SHORT_ERROR) ?? '', [HEADER.leftOut]: leftOut },
  }
}

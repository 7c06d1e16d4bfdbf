import type { LetterTarget, LetterTargetKind } from '../driver.ts'
import { given, isObject, isText, type Option, shown } from '../options/option.ts'
import { didYouMean } from '../options/spelling.ts'

const FORM = '{ exchange, routingKey? } of RabbitMQ, { stream } of Redis or { topic } of Kafka'

/** What each kind takes beside its name. */
const BESIDE: Readonly<Record<LetterTargetKind, readonly string[]>> = { exchange: ['routingKey'], stream: [], topic: [] }
const KINDS = Object.keys(BESIDE) as readonly LetterTargetKind[]

/** `deadLetter: { to }` of a handler, a class, a function or the app. */
export const LETTERS_TO: Option = {
  default: 'none',
  must: given(
    (value) => isObject(value) && mistakesOf(value).length === 0,
    (value) => (isObject(value) ? `must be ${FORM}: ${mistakesOf(value).join('; ')}` : `must be ${FORM}, not ${shown(value)}`),
  ),
  text: "what is there and belongs to others, where dead letters are published instead of kept: `{ exchange, routingKey }` on RabbitMQ (without a routing key that of the message; exchange `''` with the name of a queue is that queue), `{ stream }` on Redis, `{ topic }` on Kafka. Not together with `ttlMs` and `name`. What is not there, and what another broker has, is refused (`TARGET`); memory and SQLite keep them in the topic's own place, and say so",
}

function mistakesOf(to: Record<string, unknown>): readonly string[] {
  const named = KINDS.filter((kind) => to[kind] !== undefined)
  const [kind, other] = named
  if (kind === undefined) {
    const near = Object.keys(to).map((name) => didYouMean(name, KINDS))
    return [`it names none of ${KINDS.join(', ')}.${near.join('')}`]
  }
  if (other !== undefined) return [`it names ${named.join(' and ')}, and dead letters go to one place`]
  const known = [kind, ...BESIDE[kind]]
  const mistakes = Object.keys(to)
    .filter((name) => !known.includes(name))
    .map((name) => `${name} is nothing that is said of this ${kind}.${didYouMean(name, known)}`)
  const { [kind]: place, routingKey } = to
  if (kind !== 'exchange' && !isText(place)) mistakes.push(`${kind} must be a string that is not empty, not ${shown(place)}`)
  if (kind === 'exchange' && typeof place !== 'string') mistakes.push(`exchange must be a string, not ${shown(place)}`)
  if (routingKey !== undefined && typeof routingKey !== 'string') mistakes.push(`routingKey must be a string, not ${shown(routingKey)}`)
  if (place === '' && kind === 'exchange' && !routingKey)
    mistakes.push("exchange '' is the default exchange, which routes by the name of a queue: give routingKey")
  return mistakes
}

export function kindOfTarget(to: LetterTarget): LetterTargetKind {
  return KINDS.find((kind) => kind in to) as LetterTargetKind
}

/** A place as messages to people call it: `the exchange shop.dlx`. */
export function targetWords(to: LetterTarget): string {
  if ('stream' in to) return `the stream ${to.stream}`
  if ('topic' in to) return `the topic ${to.topic}`
  const { exchange, routingKey } = to
  if (exchange === '') return `the queue ${routingKey}`
  return `the exchange ${exchange}${routingKey === undefined ? '' : ` with the routing key ${routingKey}`}`
}

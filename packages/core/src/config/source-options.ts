import type { ExchangeSource, QueueSource, Source, SourceKind, StreamSource, TopicSource } from '../driver.ts'
import { given, isObject, isText, type Option, shown } from '../options/option.ts'
import { didYouMean } from '../options/spelling.ts'

/** Where a group begins that has no position yet. */
export type Start = 'earliest' | 'latest'

interface Starting {
  /** Where the group begins, as `from: 'earliest'` and `from: 'latest'` say it of a topic. It holds for the whole group. */
  readonly start?: Start
}

/** Where a group begins; or something of others that the messages of a handler come from, instead of from its topic. */
export type From = Start | (ExchangeSource & Starting) | (QueueSource & Starting) | (StreamSource & Starting) | (TopicSource & Starting)

const STARTS: readonly unknown[] = ['earliest', 'latest']

const FORM =
  "'earliest', 'latest', or what the messages come from: { exchange, bind?, arguments?, start? } or { queue, start? } of RabbitMQ, { stream, start? } of Redis, { topic, start? } of Kafka"

/** What each kind of source takes beside its name and `start`. */
const BESIDE: Readonly<Record<SourceKind, readonly string[]>> = {
  exchange: ['bind', 'arguments'],
  queue: [],
  stream: [],
  topic: [],
}
export const KINDS = Object.keys(BESIDE) as readonly SourceKind[]

/** The option `from` of a handler, a class or a function. */
export const FROM: Option = {
  default: "`'earliest'`",
  must: given(
    (value) => STARTS.includes(value) || (isObject(value) && mistakesOf(value).length === 0),
    (value) => (isObject(value) ? `must be ${FORM}: ${mistakesOf(value).join('; ')}` : `must be ${FORM}, not ${shown(value)}`),
  ),
  text: "where a new group begins: `'earliest'` or `'latest'`. Or what is there and belongs to others, which the messages come from instead of from the topic, whose name then only names retries and dead letters: `{ exchange, bind, arguments }` or `{ queue }` on RabbitMQ, `{ stream }` on Redis, `{ topic }` on Kafka, each with `start` if need be. All handlers of one group and topic say the same. A broker that has no such thing refuses it (`SOURCE`); memory and SQLite read the topic's own log, and say so",
}

function mistakesOf(from: Record<string, unknown>): readonly string[] {
  const named = KINDS.filter((kind) => from[kind] !== undefined)
  const [kind, other] = named
  if (kind === undefined) return [`it names none of ${KINDS.join(', ')}.${nearest(from)}`]
  if (other !== undefined) return [`it names ${named.join(' and ')}, and a handler has one source`]
  const known = [kind, 'start', ...BESIDE[kind]]
  const mistakes = Object.keys(from)
    .filter((name) => !known.includes(name))
    .map((name) => `${name} is nothing that is said of a ${kind}.${didYouMean(name, known)}`)
  if (!isText(from[kind])) mistakes.push(`${kind} must be a string that is not empty, not ${shown(from[kind])}`)
  if (from.start !== undefined && !STARTS.includes(from.start))
    mistakes.push(`start must be 'earliest' or 'latest', not ${shown(from.start)}`)
  if (kind === 'exchange') mistakes.push(...bindingMistakes(from))
  return mistakes
}

function nearest(from: Record<string, unknown>): string {
  return Object.keys(from)
    .map((name) => didYouMean(name, KINDS))
    .join('')
}

function bindingMistakes({ bind, arguments: given }: Record<string, unknown>): readonly string[] {
  const mistakes: string[] = []
  const isKeys = typeof bind === 'string' || (Array.isArray(bind) && bind.length > 0 && bind.every((key) => typeof key === 'string'))
  if (bind !== undefined && !isKeys) mistakes.push(`bind must be a routing key or an array of some, not ${shown(bind)}`)
  if (given === undefined) return mistakes
  const isValue = (value: unknown) => ['string', 'number', 'boolean'].includes(typeof value)
  if (!isObject(given) || Object.keys(given).length === 0 || !Object.values(given).every(isValue))
    mistakes.push(`arguments must be an object of strings, numbers, true and false, as { 'x-match': 'all', kind: 'order' }`)
  if (bind !== undefined)
    mistakes.push('bind and arguments go together with no type of exchange: a headers exchange reads arguments, the others bind')
  return mistakes
}

/** The two things that `from` says. Undefined where it says nothing of one. */
export function readFrom(from: From | undefined): { readonly start: Start | undefined; readonly source: Source | undefined } {
  if (from === undefined || typeof from === 'string') return { start: from, source: undefined }
  const { start, ...source } = from
  return { start, source: Object.fromEntries(Object.entries(source).filter(([, value]) => value !== undefined)) as unknown as Source }
}

export function kindOf(source: Source): SourceKind {
  return KINDS.find((kind) => kind in source) as SourceKind
}

/** A source as messages to people call it: `queue shop.billing`. */
export function sourceWords(source: Source): string {
  const kind = kindOf(source)
  return `${kind} ${(source as unknown as Record<string, string>)[kind]}`
}

import { isDeepStrictEqual } from 'node:util'
import { kindOfTarget, targetWords } from '../config/letter-target-options.ts'
import type { RetryOptions } from '../config/retry.ts'
import type { Capabilities, DeadLetterPlace, LettersOfOthers, LetterTarget, LetterTargetKind, Source } from '../driver.ts'
import { CorebusError } from '../errors.ts'
import { type Reading, read } from '../options/reading.ts'
import type { HandlerSpec } from './handler.ts'

/** Where the dead letters of a group and topic go; `false`: nowhere. */
export type Letters = DeadLetterPlace | LettersOfOthers | false

interface Handler {
  readonly spec: HandlerSpec
}

interface Handled {
  readonly events: ReadonlyMap<string, Handler>
  readonly rest: Handler | undefined
}

/** Where the dead letters of one topic go, and what is wrong where its handlers do not agree: there is one place for all of them. */
export function deadLetterOf(
  group: string,
  topic: string,
  specs: readonly HandlerSpec[],
  plan: Handled | undefined,
  defaults: { readonly retry: RetryOptions },
): Reading<Letters> {
  const here = new Set([...(plan?.events.values() ?? []), ...(plan?.rest ? [plan.rest] : [])].map(({ spec }) => spec))
  // What a handler does not say counts too: it would find its dead letters dropped because its neighbour wants none.
  const said = specs
    .filter((spec) => here.has(spec))
    .map((spec) => ({
      spec,
      letters: lettersOf([...spec.retry, defaults.retry].find((level) => level.deadLetter !== undefined)?.deadLetter),
    }))
  const [first] = said
  const other = said.find(({ letters }) => !isDeepStrictEqual(letters, first?.letters))
  const letters = first?.letters ?? {}
  if (!first || !other) return read(letters)
  const mistake = `${first.spec.where} and ${other.spec.where} say different things of the dead letters of topic ${topic} in group ${group}: there is one place for both. Make deadLetter agree`
  return { value: letters, mistakes: [mistake] }
}

function lettersOf(option: RetryOptions['deadLetter']): Letters {
  if (option === false) return false
  if (option === undefined || option === true) return {}
  const { to, name, ttlMs } = option
  if (to) return { to: Object.fromEntries(Object.entries(to).filter(([, value]) => value !== undefined)) as unknown as LetterTarget }
  return { ...(name !== undefined && { name }), ...(ttlMs !== undefined && { ttlMs }) }
}

export function isOurs(letters: Letters): letters is DeadLetterPlace {
  return letters !== false && !('to' in letters)
}

interface Unknown extends Handled {
  readonly group: string
  readonly topic: string
  readonly said: 'skip' | 'deadLetter' | undefined
  readonly source: Source | undefined
  readonly deadLetter: Letters
}

/**
 * What becomes of an event that nobody handles. A queue has one copy of a message for all who read it, so skipped there it would be gone for its owner too:
 * it is a dead letter unless the group says otherwise. Of everything else others have their own copy.
 */
export function unknownOf({ group, topic, said, source, deadLetter, events, rest }: Unknown): Reading<'skip' | 'deadLetter'> {
  const unknown = said ?? (source && 'queue' in source ? 'deadLetter' : 'skip')
  // A handler of messages takes all that no event handler takes.
  if (said !== undefined || unknown === 'skip' || deadLetter !== false || rest || events.size === 0) return read(unknown)
  const mistake = `group ${group} reads the queue of others that topic ${topic} comes from, handles only some events and says deadLetter: false: an event that nobody here handles would be gone for everybody. Say unknown: 'skip' if it may be, or deadLetter: { to } or true to keep it, or handle the rest with a messageHandler`
  return { value: unknown, mistakes: [mistake] }
}

const WHOSE: Readonly<Record<LetterTargetKind, string>> = { exchange: 'RabbitMQ', stream: 'Redis', topic: 'Kafka' }

interface Lettered {
  readonly group: string
  readonly topics: ReadonlyMap<string, { readonly topic: string; readonly deadLetter: Letters }>
}

interface OfOthers {
  readonly group: string
  readonly topic: string
  readonly to: LetterTarget
}

function ofOthers(plans: readonly Lettered[]): readonly OfOthers[] {
  return plans.flatMap(({ group, topics }) =>
    [...topics.values()].flatMap(({ topic, deadLetter }) =>
      deadLetter && 'to' in deadLetter ? [{ group, topic, to: deadLetter.to }] : [],
    ),
  )
}

/** @throws CorebusError TARGET naming every place of dead letters that this broker cannot have */
export function checkLetterTargets(plans: readonly Lettered[], broker: string, { letterTargets }: Capabilities): void {
  if (!letterTargets) return
  const foreign = ofOthers(plans).filter(({ to }) => !letterTargets.includes(kindOfTarget(to)))
  if (foreign.length === 0) return
  const list = foreign.map(
    ({ group, topic, to }) => `${targetWords(to)} (dead letters of topic ${topic}, group ${group}) is of ${WHOSE[kindOfTarget(to)]}`,
  )
  const takes = letterTargets.length === 0 ? 'nothing of others' : letterTargets.map((kind) => `{ ${kind} }`).join(' and ')
  throw new CorebusError(
    'TARGET',
    `${list.join('; ')}, and on the ${broker} broker dead letters can go to ${takes}. RabbitMQ has { exchange }, Redis { stream }, Kafka { topic }; memory and SQLite take any of them as the topic's own place. Say deadLetter: { to } for this broker, or choose the broker it is on`,
  )
}

/** Those that the driver sends there: none where each of them is the topic's own place. */
export function lettersOfOthers(plans: readonly Lettered[], { letterTargets }: Capabilities): readonly OfOthers[] {
  return letterTargets ? ofOthers(plans) : []
}

/** What is said once at start where nothing of others is: each of them is the topic's own place. */
export function asOwnPlaces(plans: readonly Lettered[], broker: string, { letterTargets }: Capabilities): string | undefined {
  const all = ofOthers(plans)
  if (letterTargets || all.length === 0) return undefined
  const list = [...new Set(all.map(({ topic, to }) => `${topic} instead of ${targetWords(to)}`))]
  return `the ${broker} broker has nothing of others, so dead letters that handlers send there with deadLetter: { to } are kept in the topic's own place: ${list.join(', ')}`
}

/** What the driver is asked for: the topic's own place where nothing of others is. */
export function deadLetterFor(letters: Letters, { letterTargets }: Capabilities): Letters {
  return letters && 'to' in letters && !letterTargets ? {} : letters
}

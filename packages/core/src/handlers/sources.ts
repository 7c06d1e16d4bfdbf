import { isDeepStrictEqual } from 'node:util'
import { kindOf, sourceWords } from '../config/source-options.ts'
import type { Capabilities, Source, SourceKind } from '../driver.ts'
import { CorebusError } from '../errors.ts'
import { Mistakes, type Reading } from '../options/reading.ts'
import type { HandlerSpec } from './handler.ts'

/** What each topic of a group comes from, where that is something of others, and what is wrong with what its handlers say of it. */
export function sourcesOf(group: string, byTopic: ReadonlyMap<string, readonly HandlerSpec[]>): Reading<ReadonlyMap<string, Source>> {
  const mistakes = new Mistakes()
  const sources = new Map<string, Source>()
  for (const [topic, specs] of byTopic) {
    const [first] = specs
    // A handler that says nothing counts too: it takes its messages from the topic itself.
    const other = specs.find((spec) => !isDeepStrictEqual(spec.source, first?.source))
    if (first && other)
      mistakes.add(
        `group ${group}: ${said(first)} and ${said(other)}: both handle topic ${topic}, whose messages come from one place. Make from agree, or give one of them its own topic`,
      )
    if (!first?.source) continue
    const twin = [...sources].find(([, source]) => isDeepStrictEqual(source, first.source))
    if (twin)
      mistakes.add(
        `group ${group}: topics ${twin[0]} and ${topic} come from the same ${sourceWords(first.source)}, which would give each message to one of them by chance. Handle them under one topic`,
      )
    sources.set(topic, first.source)
  }
  return mistakes.with(sources)
}

function said({ where, source }: HandlerSpec): string {
  return `${where} says ${source ? `from: ${JSON.stringify(source)}` : 'nothing of a source'}`
}

const WHOSE: Readonly<Record<SourceKind, string>> = {
  exchange: 'an exchange of RabbitMQ',
  queue: 'a queue of RabbitMQ',
  stream: 'a stream of Redis',
  topic: 'a topic of Kafka',
}

export interface Sourced {
  readonly group: string
  readonly topics: ReadonlyMap<string, { readonly topic: string; readonly source: Source | undefined }>
}

function all(plans: readonly Sourced[]): readonly { group: string; topic: string; source: Source }[] {
  return plans.flatMap(({ group, topics }) =>
    [...topics.values()].flatMap(({ topic, source }) => (source ? [{ group, topic, source }] : [])),
  )
}

/** Groups that take from one queue. Of an exchange, a stream or a topic each group has all; a queue gives each message once. */
export function sharedQueues(plans: readonly Sourced[]): readonly string[] {
  const queued = all(plans).filter(({ source }) => 'queue' in source)
  return [...Map.groupBy(queued, ({ source }) => sourceWords(source))]
    .filter(([, readers]) => readers.length > 1)
    .map(([words, readers]) => {
      const who = readers.map(({ group, topic }) => `${group} (topic ${topic})`).join(', ')
      return `the groups ${who} come from the same ${words}, which would give each message to one of them by chance. Handle them in one group, or give each a queue of its own`
    })
}

/** @throws CorebusError SOURCE naming every source that this broker does not have. */
export function checkSources(plans: readonly Sourced[], broker: string, { sources }: Capabilities): void {
  if (!sources) return
  const foreign = all(plans).filter(({ source }) => !sources.includes(kindOf(source)))
  if (foreign.length === 0) return
  const list = foreign.map(
    ({ group, topic, source }) => `from ${sourceWords(source)} (topic ${topic}, group ${group}) is ${WHOSE[kindOf(source)]}`,
  )
  const reads = sources.length === 0 ? 'nothing of others' : sources.map((kind) => `{ ${kind} }`).join(' and ')
  throw new CorebusError(
    'SOURCE',
    `${list.join('; ')}, and the ${broker} broker reads ${reads}. RabbitMQ reads { exchange } and { queue }, Redis { stream }, Kafka { topic }; memory and SQLite read the topic's own log instead of any of them. Say from for this broker, or choose the broker it is on`,
  )
}

/** What is said once at start where nothing of others is: each source is its topic's own log. */
export function asOwnLogs(plans: readonly Sourced[], broker: string, { sources }: Capabilities): string | undefined {
  const sourced = all(plans)
  if (sources || sourced.length === 0) return undefined
  const list = [...new Set(sourced.map(({ topic, source }) => `${topic} instead of ${sourceWords(source)}`))]
  return `the ${broker} broker has nothing of others, so what handlers say with from is read as the topic's own log: ${list.join(', ')}`
}

/** Those that the driver is asked for: none where each is its topic's own log. */
export function sourcesFor({ topics }: Sourced, { sources }: Capabilities): ReadonlyMap<string, Source> {
  if (!sources) return new Map()
  return new Map([...topics.values()].flatMap(({ topic, source }) => (source ? [[topic, source] as const] : [])))
}

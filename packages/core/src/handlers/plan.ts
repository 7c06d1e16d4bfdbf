import type { GroupSaid } from '../config/group-options.ts'
import {
  declaredDelays,
  MAX_DELAYS,
  PASS_ON_JITTER,
  PASS_ON_MS,
  type RetryOptions,
  type RetryPolicy,
  retryPolicy,
  SHORTEST_SNOOZE_MS,
} from '../config/retry.ts'
import type { Capabilities, Delay, GroupTopology, Source, SubscribeOptions } from '../driver.ts'
import { asError, CorebusError } from '../errors.ts'
import { Mistakes, type Reading, read } from '../options/reading.ts'
import { checkSessionMode } from '../scope/session.ts'
import type { Envelope } from '../wire/foreign-envelope.ts'
import { checkName } from '../wire/names.ts'
import type { Formats } from '../wire/topic-formats.ts'
import { evaluatedAgain, registeredOnce } from './again.ts'
import { deadLetterFor, deadLetterOf, isOurs, type Letters, unknownOf } from './dead-letters.ts'
import { envelopesOf } from './envelopes.ts'
import type { HandlerSpec } from './handler.ts'
import { sharedQueues, sourcesFor, sourcesOf } from './sources.ts'

/** One handler in its place, with the policy that holds for it. */
export interface HandlerPlan {
  readonly spec: HandlerSpec
  readonly retry: RetryPolicy
}

/** What its handlers say of the whole group, and what holds where they say nothing. */
interface GroupOptions extends Required<Omit<GroupSaid, 'unknown'>>, Pick<GroupSaid, 'unknown'> {}

/** What one group does with the messages of one topic. */
export interface TopicPlan {
  readonly topic: string
  readonly events: ReadonlyMap<string, HandlerPlan>
  /** Takes every message that no event handler takes. */
  readonly rest: HandlerPlan | undefined
  readonly deadLetter: Letters
  /** What becomes of an event that nobody in the group handles. */
  readonly unknown: 'skip' | 'deadLetter'
  /** What of others its messages come from. */
  readonly source: Source | undefined
  /** How its events travel, where that is not as ours do. */
  readonly envelope?: Envelope | undefined
}

export interface GroupPlan extends GroupOptions {
  readonly group: string
  readonly topics: ReadonlyMap<string, TopicPlan>
  readonly delays: readonly Delay[]
  /** One member at a time: the broker cannot keep a key in order across several. */
  readonly exclusive: boolean
}

export interface PlanDefaults extends Required<Pick<GroupSaid, 'concurrency' | 'maxUnsettled' | 'handlerTimeoutMs'>> {
  readonly service: string
  readonly defaultTopic: string | undefined
  readonly retry: RetryOptions
  readonly broker: string
  readonly capabilities: Capabilities
  /** How messages look, where that is not as ours do. */
  readonly formats?: Formats | undefined
  /** What handlers may ask of a session. */
  readonly configured: { readonly session?: unknown; readonly inbox?: unknown }
}

const GROUP_DEFAULTS = { ordering: 'none', from: 'earliest', shared: false } as const

/**
 * Puts registrations into groups and topics.
 * @throws CorebusError HANDLERS with every mistake at once: two handlers for one message, topics that are missing or not listed, options
 * that disagree, a policy the broker cannot hold.
 */
export function planGroups(specs: readonly HandlerSpec[], defaults: PlanDefaults): readonly GroupPlan[] {
  const mistakes = new Mistakes()
  const { once, again } = registeredOnce(specs)
  if (again.length > 0) mistakes.add(evaluatedAgain(again))
  const byGroup = Map.groupBy(once, (spec) => spec.group ?? defaults.service)
  const plans = [...byGroup].map(([group, members]) => mistakes.of(planGroup(group, members, defaults)))
  mistakes.add(...sharedQueues(plans))
  if (mistakes.all.length > 0) throw new CorebusError('HANDLERS', listed('the handlers cannot be started', mistakes.all))
  return plans
}

function listed(what: string, mistakes: readonly string[]): string {
  return mistakes.length === 1 ? `${what}: ${mistakes[0]}` : `${what}:\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}`
}

function planGroup(group: string, specs: readonly HandlerSpec[], defaults: PlanDefaults): Reading<GroupPlan> {
  const mistakes = new Mistakes()
  const attempt = <T>(work: () => T): T | undefined => {
    try {
      return work()
    } catch (thrown) {
      mistakes.add(asError(thrown).message)
      return undefined
    }
  }
  attempt(() => checkName('group', group))
  const options = mistakes.of(groupOptions(group, specs, defaults))
  const topics = new Map<string, { events: Map<string, HandlerPlan>; rest: HandlerPlan | undefined }>()
  const handlers = new Map<string, HandlerSpec[]>()
  const policies: RetryPolicy[] = []

  for (const spec of specs) {
    attempt(() =>
      checkSessionMode(spec.where, spec.session, { session: defaults.configured.session, asksInbox: asksInbox(spec, defaults) }),
    )
    mistakes.add(...wrongInbox(spec, defaults))
    const retry = attempt(() => retryPolicy([...spec.retry, defaults.retry], options.ordering, spec.where))
    if (!retry) continue
    policies.push(retry)
    for (const topic of mistakes.of(topicsOf(spec, defaults))) {
      attempt(() => checkName('topic', topic))
      handlers.set(topic, [...(handlers.get(topic) ?? []), spec])
      const plan = topics.get(topic) ?? { events: new Map(), rest: undefined }
      topics.set(topic, plan)
      const taken = spec.on.kind === 'event' ? plan.events.get(spec.on.name) : plan.rest
      if (taken) mistakes.add(twice(spec, taken.spec, group, topic))
      else if (spec.on.kind === 'event') plan.events.set(spec.on.name, { spec, retry })
      else plan.rest = { spec, retry }
    }
  }

  const declared = declaredDelays(policies)
  const deadLetters = new Map(
    [...topics.keys()].map((topic) => [topic, mistakes.of(deadLetterOf(group, topic, specs, topics.get(topic), defaults))]),
  )
  // A group without retries, and without dead letters of ours, needs no place beside its own: a message that it asks for later waits there.
  const isBare = policies.every(({ maxRetries, retryIf }) => maxRetries === 0 && !retryIf) && ![...deadLetters.values()].some(isOurs)
  const delays = isBare ? [] : withSnooze(declared)
  if (delays.length > MAX_DELAYS)
    mistakes.add(
      `group ${group}: at most ${MAX_DELAYS} distinct delays can be declared, its handlers have ${delays.length}: ${delays.map((d) => d.afterMs).join(', ')} ms. Round them, or split the group`,
    )
  mistakes.add(...wrongOrdering(group, options, policies, defaults))

  const sources = mistakes.of(sourcesOf(group, handlers))
  const envelopes = mistakes.of(envelopesOf(group, handlers, defaults.formats))
  return mistakes.with({
    ...options,
    group,
    delays: !isBare && [...topics.values()].some(({ events }) => events.size > 0) ? withPassingOn(delays) : delays,
    exclusive: options.ordering === 'key' && !defaults.capabilities.orderedAcrossProcesses,
    topics: new Map(
      [...topics].map(([topic, plan]) => {
        const [deadLetter, source] = [deadLetters.get(topic) ?? {}, sources.get(topic)]
        const unknown = mistakes.of(unknownOf({ group, topic, said: options.unknown, source, deadLetter, ...plan }))
        return [topic, { topic, ...plan, deadLetter, unknown, source, envelope: envelopes.get(topic) }]
      }),
    ),
  })
}

/** What its handlers say, where they agree; else the app's, else the default. */
function groupOptions(group: string, specs: readonly HandlerSpec[], defaults: PlanDefaults): Reading<GroupOptions> {
  const mistakes = new Mistakes()
  const said: Record<string, unknown> = {}
  const sayer = new Map<string, HandlerSpec>()
  for (const spec of specs)
    for (const [option, value] of Object.entries(spec.groupOptions)) {
      if (value === undefined) continue
      const before = sayer.get(option)
      if (before && said[option] !== value)
        mistakes.add(
          `group ${group}: ${before.where} says ${option}: ${said[option]} and ${spec.where} says ${option}: ${value}. Make them agree, or give one its own group`,
        )
      said[option] = value
      sayer.set(option, spec)
    }
  const { concurrency, maxUnsettled, handlerTimeoutMs, capabilities } = defaults
  const options = { ...GROUP_DEFAULTS, concurrency, maxUnsettled, handlerTimeoutMs, ...said } as GroupOptions
  const longest = Math.min(capabilities.longestHandlingMs, 24 * 60 * 60_000)
  if (!(options.handlerTimeoutMs > 0 && options.handlerTimeoutMs <= longest))
    mistakes.add(
      `group ${group}: handlerTimeoutMs must be above 0 and at most ${longest} on ${defaults.broker}, not ${options.handlerTimeoutMs}`,
    )
  return mistakes.with(options)
}

const asksInbox = ({ inbox }: HandlerSpec, { configured }: PlanDefaults): boolean => configured.inbox !== undefined && inbox !== false

function wrongInbox({ where, inbox, inboxKey }: HandlerSpec, { configured }: PlanDefaults): readonly string[] {
  const said = inboxKey ? 'inboxKey' : inbox ? 'inbox: true' : undefined
  if (said === undefined || configured.inbox !== undefined) return []
  return [`${where} says ${said}, and no inbox is configured: give the instance one (inbox: sqlInbox()), or leave this out`]
}

function topicsOf(spec: HandlerSpec, defaults: PlanDefaults): Reading<readonly string[]> {
  const { on, classTopics, where } = spec
  const own = on.kind === 'message' ? on.topics : (on.topics ?? (on.type?.topic === undefined ? undefined : [on.type.topic]))
  if (own) {
    const unlisted = classTopics ? own.filter((topic) => !classTopics.includes(topic)) : []
    const mistake = `${where} handles ${on.kind === 'event' ? on.name : 'messages'} of topic ${unlisted.join(', ')}, which its class does not list in topics: ${classTopics?.join(', ')}. Add it there`
    return { value: own, mistakes: unlisted.length > 0 ? [mistake] : [] }
  }
  if (classTopics) return read(classTopics)
  if (defaults.defaultTopic !== undefined) return read([defaults.defaultTopic])
  const mistake = `${where} has no topic: list topics in @consumer, give the event type one, or set defaultTopic or MESSAGING_DEFAULT_TOPIC`
  return { value: [], mistakes: [mistake] }
}

function twice(spec: HandlerSpec, taken: HandlerSpec, group: string, topic: string): string {
  const what = spec.on.kind === 'event' ? `event ${spec.on.name} of topic ${topic}` : `the messages of topic ${topic}`
  return `${taken.where} and ${spec.where} both handle ${what} in group ${group}. Give one of them its own group: each group gets every message`
}

/** RetryLater needs a declared delay that is not too short. */
function withSnooze(delays: readonly Delay[]): readonly Delay[] {
  return delays.some((delay) => delay.afterMs >= SHORTEST_SNOOZE_MS) ? delays : [...delays, { afterMs: SHORTEST_SNOOZE_MS, jitter: 0 }]
}

/** What another member of the group handles goes to it after a second or a little more. */
function withPassingOn(delays: readonly Delay[]): readonly Delay[] {
  const found = delays.find(({ afterMs }) => afterMs >= PASS_ON_MS && afterMs <= 2 * PASS_ON_MS)
  if (!found) return [...delays, { afterMs: PASS_ON_MS, jitter: PASS_ON_JITTER }].toSorted((a, b) => a.afterMs - b.afterMs)
  return delays.map((delay) => (delay === found ? { ...delay, jitter: Math.max(delay.jitter, PASS_ON_JITTER) } : delay))
}

/** A key that waits in memory for its retries must not wait longer than the broker lets a delivery rest. */
function wrongOrdering(group: string, options: GroupOptions, policies: readonly RetryPolicy[], defaults: PlanDefaults): readonly string[] {
  if (options.ordering !== 'key') return []
  const longest = Math.max(0, ...policies.map(retriesMs))
  if (longest <= defaults.capabilities.longestHandlingMs) return []
  return [
    `group ${group}: with ordering: 'key' a key waits for its retries, here up to ${longest} ms, but ${defaults.broker} takes a message back after ${defaults.capabilities.longestHandlingMs} ms. Use fewer or shorter delays`,
  ]
}

/** How long the retries of one message take at most, their jitter included. */
export function longestRetryMs(plans: readonly GroupPlan[]): number {
  const policies = plans.flatMap(({ topics }) => [...topics.values()].flatMap((topic) => handlersOf(topic).map(({ retry }) => retry)))
  return Math.ceil(Math.max(0, ...policies.map(retriesMs)))
}

function retriesMs({ delaysMs, maxRetries, jitter }: RetryPolicy): number {
  return delaysMs.slice(0, maxRetries).reduce((a, b) => a + b, 0) * (1 + jitter)
}

/** What a broker must have before the first delivery. */
export function topologyOf(plan: GroupPlan, capabilities: Capabilities): readonly GroupTopology[] {
  const { group, delays, shared } = plan
  const sources = sourcesFor(plan, capabilities)
  return [...plan.topics.values()].map(({ topic, deadLetter }) => {
    const source = sources.get(topic)
    return {
      group,
      topic,
      delays,
      deadLetter: deadLetterFor(deadLetter, capabilities),
      ...(source && { source }),
      ...(shared && { shared }),
    }
  })
}

/** What a driver is asked to hand out. */
export function subscriptionOf(
  plan: GroupPlan,
  capabilities: Capabilities,
): Pick<SubscribeOptions, 'topics' | 'group' | 'from' | 'exclusive' | 'sources' | 'shared'> {
  const { group, from, exclusive, shared } = plan
  const sources = sourcesFor(plan, capabilities)
  const others = { ...(sources.size > 0 && { sources }), ...(shared && { shared }) }
  return { topics: [...plan.topics.keys()], group, from, exclusive, ...others }
}

/** The topics that are read as such: not those that are only a name for what comes from something of others. */
export function ownTopics(plan: GroupPlan, capabilities: Capabilities): readonly string[] {
  const sources = sourcesFor(plan, capabilities)
  return [...plan.topics.keys()].filter((topic) => !sources.has(topic))
}

export function handlersOf({ events, rest }: TopicPlan): readonly HandlerPlan[] {
  return rest ? [...events.values(), rest] : [...events.values()]
}

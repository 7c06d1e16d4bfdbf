import { CorebusError } from '../errors.ts'
import { type GroupPlan, type HandlerPlan, handlersOf, type TopicPlan } from './plan.ts'
export interface Selection {
  readonly topics?: readonly string[]
  readonly groups?: readonly string[]
}

/**
 * The (group, topic) pairs to run here: all with `autoStart`, or those for the topics or groups named.
 * @throws CorebusError SELECTION when nothing is left, a name is unknown, or only some handlers of a pair would run: the others' events would be skipped.
 */
export function select(plans: readonly GroupPlan[], { topics = [], groups = [] }: Selection): readonly GroupPlan[] {
  const known = { topics: new Set(plans.flatMap((plan) => [...plan.topics.keys()])), groups: new Set(plans.map((plan) => plan.group)) }
  const there = `There are: ${plans.flatMap((plan) => [...plan.topics.keys()].map((topic) => `${topic} (group ${plan.group})`)).join(', ') || 'none'}`
  const unknownTopic = topics.filter((topic) => !known.topics.has(topic))
  if (unknownTopic.length > 0) throw new CorebusError('SELECTION', `no handler for topic ${unknownTopic.join(', ')}. ${there}`)
  const unknownGroup = groups.filter((group) => !known.groups.has(group))
  if (unknownGroup.length > 0) throw new CorebusError('SELECTION', `no handler in group ${unknownGroup.join(', ')}. ${there}`)

  const named = topics.length > 0 || groups.length > 0
  const wanted = (plan: GroupPlan, topic: TopicPlan): boolean => {
    if (named) return (topics.length === 0 || topics.includes(topic.topic)) && (groups.length === 0 || groups.includes(plan.group))
    const [starting, waiting] = [true, false].map((auto) => handlersOf(topic).filter(({ spec }) => spec.autoStart === auto)) as [
      HandlerPlan[],
      HandlerPlan[],
    ]
    if (starting.length > 0 && waiting.length > 0)
      throw new CorebusError(
        'SELECTION',
        `${waiting.map(({ spec }) => spec.where).join(', ')} (autoStart: false) would not run, but shares group ${plan.group} and topic ${topic.topic} with ${starting.map(({ spec }) => spec.where).join(', ')}: its events would be skipped. Give it its own group, or the same autoStart`,
      )
    return starting.length > 0
  }
  const selected = plans
    .map((plan) => ({ ...plan, topics: new Map([...plan.topics].filter(([, topic]) => wanted(plan, topic))) }))
    .filter((plan) => plan.topics.size > 0)
  if (selected.length === 0) throw new CorebusError('SELECTION', `nothing to run. ${there}`)
  const idle = [
    ...topics.filter((topic) => !selected.some((plan) => plan.topics.has(topic))),
    ...groups.filter((group) => !selected.some((plan) => plan.group === group)),
  ]
  if (idle.length > 0)
    throw new CorebusError(
      'SELECTION',
      `${idle.join(', ')}: no handler for this topic in the groups named, or in this group for the topics named. ${there}`,
    )
  return selected
}

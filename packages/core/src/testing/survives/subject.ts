import type { Call } from '../../consumer/context.ts'
import { type Dispatched, type DispatchOptions, dispatch } from '../../consumer/dispatch.ts'
import type { Handling } from '../../consumer/group-run-options.ts'
import type { Message } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { type HandlerPlan, handlersOf, type TopicPlan } from '../../handlers/plan.ts'
import type { EventType } from '../../wire/event-type.ts'
import { isNamed } from '../failures.ts'

/** A handler under test. */
export interface Subject {
  readonly handler: HandlerPlan
  readonly topic: TopicPlan
  readonly handling: Handling
}

export interface Which {
  readonly group?: string | undefined
  readonly handler?: string | undefined
}

/** @throws CorebusError OPTION when there is none, with those that there are */
export function subjectsOf(
  groups: readonly Handling[],
  what: EventType | string,
  topicOf: string,
  { group, handler }: Which,
): readonly Subject[] {
  const all = groups.flatMap((handling) =>
    [...handling.plan.topics.values()].flatMap((topic) => handlersOf(topic).map((one): Subject => ({ handler: one, topic, handling }))),
  )
  const isOfIt = ({ handler: { spec }, topic }: Subject): boolean =>
    topic.topic === topicOf &&
    (typeof what === 'string' ? spec.on.kind === 'message' : spec.on.kind === 'event' && spec.on.name === what.name)
  const found = all.filter(
    (one) =>
      isOfIt(one) &&
      (group === undefined || one.handling.plan.group === group) &&
      (handler === undefined || isNamed(one.handler.spec.where, handler)),
  )
  if (found.length > 0) return found
  const which = `${group === undefined ? '' : ` in group ${group}`}${handler === undefined ? '' : ` called ${handler}`}`
  const name = typeof what === 'string' ? `messages of ${what}` : `${what.name} of ${topicOf}`
  const there = all.map((one) => `${one.handler.spec.where} (${onWhat(one)}, group ${one.handling.plan.group})`)
  throw new CorebusError(
    'OPTION',
    `survives: no handler${which} that runs in this app takes ${name}. ${there.length === 0 ? 'None runs here' : `There are ${there.join('; ')}`}`,
  )
}

const onWhat = ({ handler: { spec }, topic }: Subject): string =>
  spec.on.kind === 'event' ? `${spec.on.name} of ${topic.topic}` : `messages of ${topic.topic}`

/** Takes one delivery through the steps of the runtime: decode, session, inbox, handler, outbox, release. Never rejects. */
export async function deliver(
  { topic, handling }: Subject,
  options: DispatchOptions,
  { message, again, attempt }: { readonly message: Message; readonly again: boolean; readonly attempt: number },
): Promise<Dispatched> {
  const { signal } = new AbortController()
  const delivery = { message, unsettledBefore: again ? 1 : 0, receipt: undefined }
  const call: Call = {
    ...{ delivery, message, attempt, signal, aborted: false, blockedMs: 0, waiting: false },
    // Its time never ends.
    begins: () => undefined,
    forbidden: () => undefined,
  }
  return dispatch(call, topic, { ...options, group: handling.plan.group })
}

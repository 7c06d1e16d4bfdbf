import { COMMAND, CorebusError } from '../../errors.ts'
import type { Names } from './names.ts'
import type { GroupEntry } from './registry.ts'
import { type Headers, headersOf, type Raw } from './wire.ts'

/** Whose a message was that the broker took from its group's queue by itself. */
export interface GivenUp {
  readonly topic: string
  readonly group: string
  /** To the second: the broker says no more. */
  readonly at: number
  /** What a dead letter says of itself. */
  readonly headers: Readonly<Record<string, string>>
}

const WHY: Readonly<Record<string, readonly [reason: string, error: string]>> = {
  expired: ['expired', 'it expired before its turn came: its author gave it an expiration'],
  delivery_limit: ['crash', 'it was handed out as often as RabbitMQ allows and never settled'],
}

/** As the broker's own header says; undefined where its queue is none of these groups'. */
export function givenUpOf(raw: Raw, groups: readonly GroupEntry[], names: Names): GivenUp | undefined {
  const { 'x-death': deaths } = headersOf(raw.properties)
  const [death]: unknown[] = Array.isArray(deaths) ? deaths : []
  const { queue, reason, time } = (typeof death === 'object' && death !== null ? death : {}) as Headers
  const owner = groups.find(({ topic, group }) => names.work(topic, group) === queue)
  if (!owner) return undefined
  const [why, error] = (typeof reason === 'string' && Object.hasOwn(WHY, reason) && WHY[reason]) || [
    String(reason),
    `RabbitMQ gave it up: ${reason}`,
  ]
  return { topic: owner.topic, group: owner.group, at: secondsIn(time) * 1_000, headers: { 'corebus-reason': why, 'corebus-error': error } }
}

function secondsIn(time: unknown): number {
  const { value } = (typeof time === 'object' && time !== null ? time : {}) as Headers
  return typeof value === 'number' ? value : 0
}

export function newlyGivenUp({
  topic,
  group,
  count,
}: {
  readonly topic: string
  readonly group: string
  readonly count: number
}): CorebusError {
  const what = `RabbitMQ has given up ${count} messages of group ${group} on ${topic} that were not handled: they had expired, or were handed out too often`
  return new CorebusError('GIVEN_UP', `${what}. They are among its dead letters: ${COMMAND} dlq list --topic ${topic} --group ${group}`)
}

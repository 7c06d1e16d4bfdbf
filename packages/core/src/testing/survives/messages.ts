import type { Message } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { eventMessage, plainMessage } from '../../publish/message.ts'
import type { OutgoingDefaults } from '../../publish/outgoing.ts'
import type { EventType } from '../../wire/event-type.ts'
import { newId } from '../../wire/id.ts'
import type { SurvivesOptions } from './options.ts'

/** The message under test, and one of its key that was published after it. */
export interface Messages {
  readonly message: Message
  readonly newer: Message
}

/** The time by which the newer message was published later: more than the second that many databases count in. */
const LATER_MS = 2_000

/** @throws CorebusError for what cannot be published, and OPTION for a newer one of another key */
export function messagesOf(
  what: EventType | string,
  payload: unknown,
  { newer = payload, key, topic }: SurvivesOptions,
  defaults: OutgoingDefaults,
): Messages {
  const said = { ...(key !== undefined && { key }), ...(topic !== undefined && typeof what !== 'string' && { topic }) }
  const of = (data: unknown, at: number): Message => {
    const options = { ...said, id: newId(at) }
    const published = { ...defaults, now: () => at }
    return typeof what === 'string' ? plainMessage(what, data, options, published) : eventMessage(what, data, options, published)
  }
  const now = defaults.now()
  const messages = { message: of(payload, now), newer: of(newer, now + LATER_MS) }
  if (messages.message.key === messages.newer.key) return messages
  throw new CorebusError(
    'OPTION',
    `survives: newer has the key ${messages.newer.key}, and the message has ${messages.message.key}: what comes after it must be of the same key`,
  )
}

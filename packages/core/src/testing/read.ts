import { Received } from '../consumer/received.ts'
import type { Message } from '../driver.ts'
import { isThenable } from '../process/thenable.ts'
import { decodeText, isEnvelope } from '../wire/envelope.ts'
import type { EventType } from '../wire/event-type.ts'
import { configuredEnvelope, type Formats, ownEnvelope } from '../wire/topic-formats.ts'

export interface Read {
  readonly event?: string
  readonly data: unknown
}

/**
 * A message as a test asks for it: the data of an event, and of anything else its body, parsed where it is JSON, as text where it is that. With a type
 * the data is what a handler of that type gets. What cannot be read is shown as it is.
 */
export function readOf(message: Message, type: EventType | undefined, formats: Formats | undefined): Read {
  const { event, data } = onTheWire(message, type, formats)
  if (!type || event !== type.name) return { ...(event !== undefined && { event }), data }
  return { event, data: orElse(data, () => type.decode(data)) }
}

function onTheWire(message: Message, type: EventType | undefined, formats: Formats | undefined): Read {
  if (message.tombstone) return { data: null }
  const read = (ownEnvelope(type) ?? configuredEnvelope(message.topic, formats))?.in
  if (read) {
    const event = orElse(undefined, () => read(new Received({ message, unsettledBefore: 0, receipt: undefined }, undefined)))
    if (event && !isThenable(event)) return { event: event.name, data: event.data }
  }
  const text = decodeText(message.body)
  if (text === undefined) return { data: message.body }
  const body: unknown = orElse(text, () => JSON.parse(text))
  const event = message.event === undefined ? undefined : { event: message.event }
  return isEnvelope(body) ? { event: body.name, data: body.data } : { ...event, data: body }
}

function orElse<T>(otherwise: T, work: () => T): T {
  try {
    return work()
  } catch {
    return otherwise
  }
}

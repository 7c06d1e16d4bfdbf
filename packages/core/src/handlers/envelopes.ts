import { Mistakes, type Reading } from '../options/reading.ts'
import type { Envelope } from '../wire/foreign-envelope.ts'
import { configuredEnvelope, contradicts, type Formats, isSame, ownEnvelope } from '../wire/topic-formats.ts'
import type { HandlerSpec } from './handler.ts'

/** How the events of each topic travel, where that is not as ours do, and what is wrong with what events and configuration say of it. */
export function envelopesOf(
  group: string,
  byTopic: ReadonlyMap<string, readonly HandlerSpec[]>,
  formats: Formats | undefined,
): Reading<ReadonlyMap<string, Envelope>> {
  const mistakes = new Mistakes()
  const envelopes = new Map<string, Envelope>()
  for (const [topic, specs] of byTopic) {
    const configured = configuredEnvelope(topic, formats)
    const events = specs.flatMap(({ where, on }) => {
      if (on.kind !== 'event' || !on.type) return []
      const own = ownEnvelope(on.type)
      return [{ name: on.name, where, own, envelope: own ?? configured }]
    })
    const [first] = events
    const other = events.find(({ envelope }) => !isSame(envelope, first?.envelope))
    if (first && other)
      mistakes.add(
        `group ${group}: events ${first.name} (${first.where}) and ${other.name} (${other.where}) travel on topic ${topic} and name different envelopes (in, out), one of them perhaps none. An envelope belongs to a topic: name the same one, or give it to topology.topics["${topic}"]`,
      )
    const against = events.find(({ own }) => contradicts(own, topic, formats))
    if (against)
      mistakes.add(
        `group ${group}: event ${against.name} (${against.where}) names another envelope (in, out) than topology.topics["${topic}"]. Name one of the two`,
      )
    const envelope = first ? first.envelope : configured
    const handlesEvents = specs.some(({ on }) => on.kind === 'event')
    if (envelope && !envelope.in && handlesEvents)
      mistakes.add(`group ${group}: the envelope of topic ${topic} has out and no in, so its events cannot be handled: give it an in`)
    if (envelope) envelopes.set(topic, envelope)
  }
  return mistakes.with(envelopes)
}

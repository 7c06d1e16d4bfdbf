import type { Envelope } from './foreign-envelope.ts'

/** A message that is about to leave, as the function `fields` gets it. */
export interface MessageToWrite {
  readonly id: string
  readonly key: string | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** What an entry of a Redis stream holds instead of what ours do. */
export type Fields = (message: MessageToWrite) => Readonly<Record<string, string | Uint8Array>>

/** What is configured of how messages look. */
export interface Formats {
  /** Of every topic of which nothing else is said. */
  readonly app: Envelope
  readonly topics: ReadonlyMap<string, TopicFormat>
}

export interface TopicFormat extends Envelope {
  readonly fields?: Fields
}

const saysOne = (said: Envelope | undefined): boolean => said?.in !== undefined || said?.out !== undefined

/** One that is said decides both ways: `in` alone is not filled up with the `out` of somebody else. */
const envelopeIn = (said: Envelope | undefined): Envelope | undefined =>
  said && saysOne(said) ? { ...(said.in && { in: said.in }), ...(said.out && { out: said.out }) } : undefined

/** The envelope that an event names itself. */
export const ownEnvelope = (type: Envelope | string | undefined): Envelope | undefined =>
  typeof type === 'string' ? undefined : envelopeIn(type)

/** What is configured for a topic: by itself, else for the app. */
export function configuredEnvelope(topic: string, formats: Formats | undefined): Envelope | undefined {
  return envelopeIn(formats?.topics.get(topic)) ?? envelopeIn(formats?.app)
}

/** Whether an event's own envelope is another one than what is configured for its topic by name. The app's is only a default. */
export function contradicts(own: Envelope | undefined, topic: string, formats: Formats | undefined): boolean {
  const said = envelopeIn(formats?.topics.get(topic))
  return own !== undefined && said !== undefined && !isSame(own, said)
}

export function isSame(one: Envelope | undefined, other: Envelope | undefined): boolean {
  return one?.in === other?.in && one?.out === other?.out
}

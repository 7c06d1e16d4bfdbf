import type { Properties } from '../driver.ts'

/** A message as its broker has it: what a decoder and an envelope read beside the body. Bytes are copies of their own. */
export interface Beside {
  readonly topic: string
  readonly key: Uint8Array | undefined
  /** Where a name comes several times: its last value. Ours, beginning with `corebus-`, are in it. */
  readonly headers: Readonly<Record<string, Uint8Array>>
  /** AMQP; elsewhere empty. */
  readonly properties: Properties
  /** Redis: the fields of the entry; elsewhere empty. */
  readonly fields: Readonly<Record<string, Uint8Array>>
  /** AMQP */
  readonly routingKey: string | undefined
}

/** What an `in` reads. */
export interface Incoming extends Beside {
  readonly body: Uint8Array
  /** The body. @throws SyntaxError when it is not UTF-8 JSON */
  readonly json: () => unknown
  /** The body. @throws SyntaxError when it is not UTF-8 */
  readonly text: () => string
  /** A header as text; undefined when there is none. @throws SyntaxError when it is not UTF-8 */
  readonly header: (name: string) => string | undefined
}

/** Which event a message of others is. */
export interface EventRead {
  readonly name: string
  /** As the event's schema has it on the wire. */
  readonly data: unknown
  /** Known to the inbox, and `context.id`. Default: the message's own. */
  readonly id?: string | undefined
  /** ISO 8601 in UTC. Default: empty. */
  readonly timestamp?: string | undefined
  /** Default: empty. */
  readonly source?: string | undefined
}

/**
 * Says which event a message of others is, or undefined for "not mine". It runs again on each attempt, so it must be pure: the same answer for the
 * same message. What it throws makes the message a dead letter; `RetryLater` asks for it again later.
 */
export type EnvelopeIn = (message: Incoming) => EventRead | undefined | Promise<EventRead | undefined>

/** An event that is published, as an `out` gets it. */
export interface EventToWrite {
  readonly name: string
  /** As the event's schema has it on the wire: plain data. */
  readonly data: unknown
  readonly id: string
  /** ISO 8601 in UTC. */
  readonly timestamp: string
  readonly source: string
  readonly key: string | undefined
  /** Those that the caller gave. */
  readonly headers: Readonly<Record<string, string>>
}

/** What is published for an event. */
export interface Written {
  /** Bytes and text as they are, anything else as JSON. */
  readonly body: unknown
  /** Beside those that the caller gave, which win. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly properties?: Properties | undefined
  /** Redis: what the entry holds, instead of body and headers. */
  readonly fields?: Readonly<Record<string, string | Uint8Array>> | undefined
  /** Instead of the event's key. */
  readonly key?: string | undefined
}

/** Writes an event as others read it. */
export type EnvelopeOut = (event: EventToWrite) => Written

/** How the events of a topic travel, where that is not as ours do. `in` alone: they are only read, and publishing one is an error (NO_OUT). */
export interface Envelope {
  readonly in?: EnvelopeIn
  readonly out?: EnvelopeOut
}

import { isObject, must, type Option, text } from '../options/option.ts'
import type { EventType } from '../wire/event-type.ts'

/** What may be said about one message besides its body. */
export interface SendOptions {
  /** Messages with the same key keep their order. */
  readonly key?: string | number
  /** Names beginning with `corebus-` are refused. */
  readonly headers?: Readonly<Record<string, string>>
  /** Default: a new UUIDv7. Give one that stays the same when your code tries again. */
  readonly id?: string
  /** Default: the incoming message's or request's, else the message's own id. */
  readonly correlationId?: string
}

export interface EventOptions extends SendOptions {
  /** Default: the event type's topic, else the default topic. */
  readonly topic?: string
}

/** Of one message. */
export const SEND: Readonly<Record<keyof SendOptions, Option>> = {
  key: {
    default: "the event's `key` field",
    must: must('a string or a number', (value) => typeof value === 'string' || typeof value === 'number'),
    text: 'a string or a number. Messages with the same key keep their order',
  },
  headers: {
    default: 'none',
    must: must('an object of strings', isObject),
    text: 'strings. Names that begin with `corebus-` are refused (`HEADER_RESERVED`)',
  },
  id: {
    default: 'a new UUIDv7; in a handler, for events, one made from the incoming id',
    must: text,
    text: 'give one that stays the same when your code tries again',
  },
  correlationId: {
    default: "the incoming message's, else the request's, else the message's own id",
    must: text,
    text: 'travels in everything published from here',
  },
}

/** Of one event. */
export const EVENT: Readonly<Record<keyof EventOptions, Option>> = {
  topic: { default: "the event's topic, else the default topic", must: text, text: '`emit` and `publishEvent` only' },
  ...SEND,
}

export interface Producer {
  /** Publishes now; resolves on the broker's confirm. `null` with a key is a tombstone, bytes go as they are, anything else as JSON. */
  send(topic: string, message: unknown, options?: SendOptions): Promise<void>
  /** All in one go, in order. Rejects with PublishError naming those that failed; the others are on the broker. */
  sendAll(topic: string, messages: readonly ({ readonly message: unknown } & SendOptions)[]): Promise<void>
}

/**
 * What an instance publishes with. Code inside of a scope and a handler's context reach that of the instance which runs them.
 * One signature for a type and for a name: of two overloads the compiler explains the last, and a wrong payload would be called a wrong name.
 */
export interface Publishing {
  /** Records an event: it leaves when the request or session around it has succeeded, or now in the background. Throws at once for a wrong payload. */
  emit<Name extends string, Data = unknown>(type: EventType<Name, Data> | string, data: NoInfer<Data>, options?: EventOptions): void
  /** Publishes an event and waits for the confirm; with an outbox it is written in the open session instead. */
  publishEvent<Name extends string, Data = unknown>(
    type: EventType<Name, Data> | string,
    data: NoInfer<Data>,
    options?: EventOptions,
  ): Promise<void>
  getProducer(): Producer
}

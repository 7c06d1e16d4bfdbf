import type { Properties } from '../driver.ts'
import { callable, isObject, milliseconds, must, type Option, objectOf, text, whole } from '../options/option.ts'
import type { EventType } from '../wire/event-type.ts'
import type { Fields } from '../wire/topic-formats.ts'

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
  /** RabbitMQ: an exchange that is there, instead of the topic, which then is only a name. '' is the default exchange. */
  readonly exchange?: string
  /** Together with `exchange`. Default: empty. */
  readonly routingKey?: string
  /** What AMQP has beside headers. Left out by other brokers. `expiration` and `priority` only together with `exchange`. */
  readonly properties?: Properties
  /** Redis: what the entry holds, instead of body, headers and id. Left out by other brokers. */
  readonly fields?: Fields
}

export interface EventOptions extends SendOptions {
  /** Default: the event type's topic, else the default topic. */
  readonly topic?: string
}

/** To the end of what a Date can be. */
const time = must('a time in ms since the epoch', (value) => typeof value === 'number' && value >= 0 && value <= 8.64e15)
const string = must('a string', (value) => typeof value === 'string')
/** What AMQP has beside headers. */
const PROPERTIES: Readonly<Record<keyof Properties, Option>> = {
  contentType: { default: 'as the body is', must: text, text: '`content-type`' },
  contentEncoding: { default: 'none', must: text, text: '`content-encoding`' },
  type: { default: "the event's name", must: text, text: '`type`' },
  messageId: { default: "the message's id", must: text, text: '`message-id`' },
  correlationId: { default: 'none', must: text, text: '`correlation-id`: of the request that this answers' },
  replyTo: { default: 'none', must: text, text: '`reply-to`: the queue for the answer' },
  appId: { default: 'none', must: text, text: '`app-id`' },
  userId: { default: 'none', must: text, text: '`user-id`. RabbitMQ refuses one that is not the user of the connection' },
  timestamp: { default: 'now', must: time, text: '`timestamp`, in ms since the epoch. AMQP keeps seconds' },
  expiration: {
    default: 'none',
    must: milliseconds(0),
    text: '`expiration` in ms. Only together with `exchange`: in a topic of ours what expires would be lost',
  },
  priority: { default: 'none', must: whole(0, 255), text: '`priority`. Only together with `exchange`' },
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
  exchange: {
    default: 'none',
    must: string,
    text: "RabbitMQ: an exchange that is there, which it goes to instead of to the topic; `''` is the default exchange. Nothing is declared. Kafka and Redis refuse it (`TARGET`); memory and SQLite take it as the topic's own log, and say so once",
  },
  routingKey: { default: "`''`", must: string, text: 'together with `exchange`' },
  properties: {
    default: 'none',
    must: objectOf(PROPERTIES),
    text: 'what AMQP has beside headers. Left out by other brokers',
    inside: PROPERTIES,
  },
  fields: {
    default: "the topic's, see `topology.topics.<name>.fields`",
    must: callable,
    text: 'Redis: `({ id, key, headers, body }) => ({ name: text or bytes })`, what the entry holds instead of what ours do. Left out by other brokers',
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

import type { Properties } from '../driver.ts'
import { callable, isObject, milliseconds, must, type Option, objectOf, secretly, text, whole } from '../options/option.ts'
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
  /** Not before so many ms from now. Needs an outbox, on every broker. */
  readonly delayMs?: number
  /** Not before this time, in ms since the epoch or as a Date. Needs an outbox. */
  readonly at?: number | Date
}

export interface PublishEventOptions extends EventOptions {
  /** A transaction of the user's own: the event is written into the outbox with it, when the promise is awaited. */
  readonly tx?: unknown
}

/** To the end of what a Date can be. */
const LATEST_MS = 8.64e15
/** A longer delay is a mistake, and one that is long enough leads to a time that no Date can have. */
const LONGEST_DELAY_MS = 100 * 366 * 86_400_000
const isTime = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value <= LATEST_MS
const time = must('a time in ms since the epoch', isTime)
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
export const EVENT: Readonly<Record<keyof PublishEventOptions, Option>> = {
  topic: { default: "the event's topic, else the default topic", must: text, text: '`emit` and `publishEvent` only' },
  delayMs: {
    default: 'none',
    must: must(
      'a number of milliseconds from 0, at most 100 years',
      (value) => typeof value === 'number' && value >= 0 && value <= LONGEST_DELAY_MS,
    ),
    text: 'the event leaves so many ms from now, at most 100 years, through the outbox. `OUTBOX_MISSING` without one. `emit` and `publishEvent` only',
  },
  at: {
    default: 'none',
    must: must('a time in ms since the epoch, or a Date', (value) => isTime(value instanceof Date ? value.getTime() : value)),
    text: 'the same for a time: ms since the epoch, or a `Date`. One that is past is now. Not together with `delayMs`',
  },
  tx: {
    default: 'none',
    must: secretly('a transaction', (value) => (typeof value === 'object' && value !== null) || typeof value === 'function'),
    text: 'a transaction of your own, which the event is written with. `publishEvent` only, with an outbox',
  },
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
  /**
   * Publishes an event and waits for the confirm. With an outbox it is written in the session that is open, and with `{ tx }` in that transaction, at
   * once. With `{ delayMs }` or `{ at }` the outbox keeps it until then, where no session is open in a transaction of its own.
   * @throws CorebusError OUTBOX_MISSING for what needs an outbox; NO_SESSION where the outbox is `required` and nothing is open
   */
  publishEvent<Name extends string, Data = unknown>(
    type: EventType<Name, Data> | string,
    data: NoInfer<Data>,
    options?: PublishEventOptions,
  ): Promise<void>
  /**
   * Takes a delayed event back, by its id: in the session that is open or in `{ tx }`, else at once. False when it has left, or was never there.
   * @throws CorebusError OUTBOX_MISSING without an outbox that can
   */
  cancel(id: string, options?: CancelOptions): Promise<boolean>
  getProducer(): Producer
}

export interface CancelOptions {
  readonly tx?: unknown
}

export const CANCEL: Readonly<Record<keyof CancelOptions, Option>> = {
  tx: { ...EVENT.tx, text: 'a transaction of your own, which takes the event back with its commit' },
}

/** An instance, as the scopes that it opens know it: what is published in them by the exported functions is published there. */
export interface Owner extends Publishing {
  session<T>(work: (db: unknown) => Promise<T>): Promise<T>
  /** Records what a method under `@event` returned. `outbox` is what the decorator says. */
  emitReturned(type: EventType | string, data: unknown, options: EventOptions, outbox: boolean | undefined): void
}

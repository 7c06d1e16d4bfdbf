/** Something of others that a group takes its messages from. Nothing of it is declared, altered, trimmed or deleted. */
export type Source = ExchangeSource | QueueSource | StreamSource | TopicSource

/** RabbitMQ: a queue of the group's own, bound to an exchange that is there, of any type. */
export interface ExchangeSource {
  readonly exchange: string
  /** Routing keys, or patterns with * and # where it is a topic exchange. Default: one that is empty, which a fanout needs. */
  readonly bind?: string | readonly string[]
  /** What a headers exchange is bound with, instead of `bind`: { 'x-match': 'all', kind: 'order' }. */
  readonly arguments?: Readonly<Record<string, string | number | boolean>>
}

/** RabbitMQ: a queue that is there, of any type, as one more consumer of it. What it has no means for is said once, with the notice SOURCE_LACKS. */
export interface QueueSource {
  readonly queue: string
}

/** Redis: a stream that is there, by its key, in a consumer group of the group's name. */
export interface StreamSource {
  readonly stream: string
}

/** Kafka: a topic that is there, by its name. Offsets that others have committed for the group are gone on from. */
export interface TopicSource {
  readonly topic: string
}

export type SourceKind = 'exchange' | 'queue' | 'stream' | 'topic'

/** Where on RabbitMQ a message goes instead of to its topic. The exchange is there, and is not declared; '' is the default exchange. */
export interface Target {
  readonly exchange: string
  readonly routingKey?: string
}

/** The exchange, stream or topic of others that dead letters are published to, instead of being kept in a place of ours. Nothing of it is declared, so it has to be there; what lies there is theirs. */
export type LetterTarget = ExchangeLetters | StreamSource | TopicSource

/** RabbitMQ: an exchange; '' with the name of a queue is that queue. */
export interface ExchangeLetters {
  readonly exchange: string
  /** Default: the one that the message was published with, as where RabbitMQ itself moves it to a dead-letter exchange. */
  readonly routingKey?: string
}

export type LetterTargetKind = 'exchange' | 'stream' | 'topic'

/** What AMQP has beside headers. Elsewhere there is no place for it. */
export interface Properties {
  readonly contentType?: string
  readonly contentEncoding?: string
  readonly type?: string
  readonly messageId?: string
  readonly correlationId?: string
  readonly replyTo?: string
  readonly appId?: string
  readonly userId?: string
  /** Ms since the epoch. AMQP keeps seconds. */
  readonly timestamp?: number
  /** In ms, and only for a target: in a topic of ours what expires would be lost. */
  readonly expiration?: number
  /** Only for a target. */
  readonly priority?: number
}

/** A message as its broker has it, with bytes where the broker has bytes. Names are those of its author, and may be any text. */
export interface Raw {
  readonly key?: Uint8Array
  /** Where a name comes several times: its last value. Never with a prototype. */
  readonly headers: Readonly<Record<string, Uint8Array>>
  /** Redis: the fields of the entry. Never with a prototype. */
  readonly fields?: Readonly<Record<string, Uint8Array>>
  /** AMQP */
  readonly properties?: Properties
  /** AMQP: of the first time it was published, also for a retry. */
  readonly exchange?: string
  readonly routingKey?: string
}

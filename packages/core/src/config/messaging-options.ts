import type { Logger } from 'pino'
import type { Clock, TopicOptions } from '../driver.ts'
import type { RetryOptions } from '../handlers/retry.ts'
import type { Inbox, Outbox, Session } from '../scope/session.ts'
export type BrokerName = 'kafka' | 'rabbitmq' | 'redis' | 'sqlite' | 'memory'

export interface TlsOptions {
  /** PEM text, not file names. */
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

export interface AuthOptions {
  readonly username: string
  readonly password: string
  /** Kafka: 'plain' (default), 'scram-sha-256', 'scram-sha-512'. */
  readonly mechanism?: string
}

/** What is made on the broker, and whether. */
export interface TopologyOptions extends TopicOptions {
  /** Default 'create'. */
  readonly mode?: 'create' | 'check'
}

/** What `createMessaging` and `configureMessaging` take. Everything may be left out; an environment variable or a default then decides. */
export interface MessagingOptions<Db = unknown> extends RetryOptions {
  readonly broker?: BrokerName
  /** Bootstrap servers (commas or an array), amqp(s)://, redis(s)://, or a file. */
  readonly url?: string | readonly string[]
  /** Another name of `url`. Giving both is an error. */
  readonly bootstrapServers?: string | readonly string[]
  readonly tls?: boolean | TlsOptions
  readonly auth?: AuthOptions
  /**
   * Passed to the broker's client library (amqplib, kafkajs, redis) as they are, for what this has no option for. One that contradicts a
   * promise is an error at the first use (CLIENT_OPTION).
   */
  readonly client?: Readonly<Record<string, unknown>>
  /** `source` of every event and the default group. */
  readonly service?: string
  readonly defaultTopic?: string
  /** Put before every name made on the broker. Default none. */
  readonly prefix?: string
  /** Opens a transaction for every handler and request. */
  readonly session?: Session<Db>
  readonly outbox?: Outbox<Db>
  readonly inbox?: Inbox<Db>
  /** Handlers at once per group. Default 10. */
  readonly concurrency?: number
  /** Most messages handed out and unsettled per topic. Default 1,000. */
  readonly maxUnsettled?: number
  /** Default 60,000. Never infinite. */
  readonly handlerTimeoutMs?: number
  /** How long a timed-out or stopped handler may still run after its signal. Default 10,000. */
  readonly abortGraceMs?: number
  /** How long `close` waits for running handlers. Default 25,000. */
  readonly shutdownMs?: number
  /** Times a message may crash its process before it goes to the dead letters. Default 5. */
  readonly crashLimit?: number
  /** Largest message: body, key and headers. Default 900,000. */
  readonly maxBytes?: number
  readonly publish?: {
    /** A publish rejects after this. Default 10,000. */
    readonly timeoutMs?: number
    /** Publishes waiting at once; one more rejects with BACKPRESSURE. Default 10,000. */
    readonly maxPending?: number
  }
  /**
   * 'create' (default) adds what is missing; 'check' changes nothing and fails when something is missing. With an object, `mode` says which;
   * `partitions` (default 12) and `topics: { name: { partitions } }` are for Kafka: a topic is made with so many, and one that is named and has
   * fewer is an error. On other brokers they are said to do nothing.
   */
  readonly topology?: 'create' | 'check' | TopologyOptions
  /** SQLite only: 'normal' (default) survives a crash of the process, 'full' also of the machine. */
  readonly durability?: 'normal' | 'full'
  /** Makes the instance of a consumer class or ViewSet. Default: `new Class()`. */
  readonly resolve?: <T extends object>(type: new (...args: never[]) => T) => T | Promise<T>
  /** Before the first handler runs, and after the last. */
  readonly onStart?: () => void | Promise<void>
  readonly onClose?: () => void | Promise<void>
  /** Consumer classes of an instance that is not the default one. */
  readonly handlers?: readonly (new (
    ...args: never[]
  ) => object)[]
  /** A pino logger. Default: pino at `LOG_LEVEL` (info), pretty on a terminal, JSON elsewhere. */
  readonly logger?: Logger
  /** Default `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly clock?: Clock
}

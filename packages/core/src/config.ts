import type { Logger } from 'pino'
import type { RetryOptions } from './consumer/retry.ts'
import type { Clock, Message } from './driver.ts'

export type BrokerName = 'kafka' | 'rabbitmq' | 'redis' | 'sqlite' | 'memory'

/** Runs `work` in a transaction: commits when it resolves, rolls back when it rejects, and passes its result or error on. */
export type Session<Db> = <T>(work: (db: Db) => Promise<T>) => Promise<T>

/** Writes messages in the session's own transaction; a relay publishes them after the commit. */
export interface Outbox<Db = unknown> {
  write(db: Db, messages: readonly Message[]): Promise<void>
}

/** Remembers what was handled, in the session's own transaction. */
export interface Inbox<Db = unknown> {
  /** Marks (group, topic, id) and returns true; false when it was marked before. */
  firstTime(db: Db, group: string, message: Message): Promise<boolean>
}

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

/** What `createMessaging` and `configureMessaging` take. Everything may be left out; an environment variable or a default then decides. */
export interface MessagingOptions<Db = unknown> extends RetryOptions {
  readonly broker?: BrokerName
  /** Bootstrap servers (commas or an array), amqp(s)://, redis(s)://, or a file. */
  readonly url?: string | readonly string[]
  /** Another name of `url`. Giving both is an error. */
  readonly bootstrapServers?: string | readonly string[]
  readonly tls?: boolean | TlsOptions
  readonly auth?: AuthOptions
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
  /** 'create' (default) adds what is missing; 'check' changes nothing and fails when something is missing. */
  readonly topology?: 'create' | 'check'
  /** SQLite only: 'normal' (default) survives a crash of the process, 'full' also of the machine. */
  readonly durability?: 'normal' | 'full'
  /** Makes the instance of a consumer class or ViewSet. Default: `new Class()`. */
  readonly resolve?: <T>(type: new (...args: never[]) => T) => T | Promise<T>
  /** Before the first handler runs, and after the last. */
  readonly onStart?: () => void | Promise<void>
  readonly onClose?: () => void | Promise<void>
  /** Consumer classes of an instance that is not the default one. */
  readonly handlers?: readonly (new (...args: never[]) => object)[]
  /** A pino logger. Default: pino at `LOG_LEVEL` (info), pretty on a terminal, JSON elsewhere. */
  readonly logger?: Logger
  /** Default `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly clock?: Clock
}

/** Options and environment, parsed once: nothing after this asks the environment again. */
export interface Config {
  readonly broker: BrokerName
  /** For the driver, with its secrets. Never printed: `where` is. */
  readonly url: string
  /** The address without secrets. */
  readonly where: string
  /** Why this broker and address: 'code', 'MESSAGING_BROKER', 'RABBITMQ_URL', 'default', ... in words. */
  readonly why: string
  /** Things that are probably not meant, to be said once at start: variables one edit away from ours. */
  readonly hints: readonly string[]
  readonly tls: boolean | TlsOptions
  readonly auth?: AuthOptions
  readonly service: string
  readonly defaultTopic?: string
  readonly prefix: string
  readonly concurrency: number
  readonly maxUnsettled: number
  readonly handlerTimeoutMs: number
  readonly abortGraceMs: number
  readonly shutdownMs: number
  readonly crashLimit: number
  readonly maxBytes: number
  readonly publishTimeoutMs: number
  readonly maxPending: number
  readonly topology: 'create' | 'check'
  readonly durability: 'normal' | 'full'
  readonly logLevel: string
  readonly retry: RetryOptions
}

import type { Logger } from 'pino'
import type { Clock, Driver, DriverOptions } from '../driver.ts'
import type { OnDeadLetter } from '../observe/dead-letter-calls.ts'
import { callable, having, isObject, isText, must, type Option, objectOf, objectOr, oneOf, secretly, text } from '../options/option.ts'
import type { Companion, Inbox, Outbox } from '../scope/companion.ts'
import { isSession, type Session, type Sessions } from '../scope/session.ts'
import { ENVELOPE } from '../wire/event-type.ts'
import type { Envelope } from '../wire/foreign-envelope.ts'
import { BROKERS, type BrokerName } from './brokers.ts'
import {
  AUTH,
  type AuthOptions,
  MODES,
  PUBLISH,
  type PublishOptions,
  TLS,
  type TlsOptions,
  TOPOLOGY,
  type TopologyOptions,
} from './connection-options.ts'
import { LIMITS, type Limits } from './limits.ts'
import { NAMES, type Names } from './names-options.ts'
import { RETRY, type RetryOptions } from './retry-options.ts'

export { BROKERS, type BrokerName } from './brokers.ts'
export type { AuthOptions, OneTopicOptions, TlsOptions, TopologyOptions } from './connection-options.ts'

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** What `createMessaging` and `configureMessaging` take. Everything may be left out; an environment variable or a default then decides. */
export interface MessagingOptions<Db = unknown> extends RetryOptions, Limits, Envelope {
  readonly broker?: BrokerName
  /** Makes a driver that is not one of ours, instead of `broker`: see `@corebus/core/driver`. */
  readonly driver?: (options: DriverOptions) => Driver | Promise<Driver>
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
  /** What topics are called on the broker, where that is not their name: `{ orders: 'shop:orders' }`, or `{ orders: { redis: 'shop:orders' } }`. */
  readonly names?: Names
  /** Opens a transaction for every handler and request. With a reading twin, GET and HEAD and what says `session: 'read'` get that one. */
  readonly session?: Session<Db> | Sessions<Db>
  readonly outbox?: Outbox<NoInfer<Db>>
  readonly inbox?: Inbox<NoInfer<Db>>
  /** Runs what was registered to run by the clock, such as `sqlSchedules()`. */
  readonly schedules?: Companion
  readonly publish?: PublishOptions
  /**
   * 'create' (default) adds what is missing; 'check' changes nothing and fails when something is missing. With an object, `mode` says which;
   * `partitions` (default 12) and `topics: { name: { partitions } }` are for Kafka: a topic is made with so many, and one that is named and has
   * fewer is an error. On other brokers they are said to do nothing.
   */
  readonly topology?: 'create' | 'check' | TopologyOptions
  /** SQLite only: 'normal' (default) survives a crash of the process, 'full' also of the machine. */
  readonly durability?: 'normal' | 'full'
  /** Makes the instance of a consumer class or ViewSet. Default: `new Class()`. */
  readonly resolve?: (
    // biome-ignore lint/suspicious/noExplicitAny: what the constructors take is known where the classes are told apart
    type: new (...args: any[]) => object,
  ) => object | Promise<object>
  /** Before the first handler runs, and after the last. */
  readonly onStart?: () => void | Promise<void>
  readonly onClose?: () => void | Promise<void>
  /**
   * Called for each message that a group of this process has given up on, once it is a dead letter. Nothing waits for it; what it throws is logged. A
   * process that ends at that moment has not called it.
   */
  readonly onDeadLetter?: OnDeadLetter
  /** Consumer classes of an instance that is not the default one. */
  readonly handlers?: readonly (new (
    ...args: never[]
  ) => object)[]
  /** A pino logger. Default: pino at `logLevel`, pretty on a terminal, JSON elsewhere. */
  readonly logger?: Logger
  /** The lowest level that is written by the logger Corebus makes when `logger` is not given. Default `LOG_LEVEL`, else 'info'. */
  readonly logLevel?: LogLevel
  /** Default `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly clock?: Clock
}

const addresses = secretly(
  'a string, or an array of strings',
  (value) => typeof value === 'string' || (Array.isArray(value) && value.length > 0 && value.every(isText)),
)

/** Every option of the app: its default, its check, and its sentence on the page. The interface above has the types, and the compiler holds the two together. */
export const MESSAGING: Readonly<Record<keyof MessagingOptions, Option>> = {
  broker: {
    default: '`MESSAGING_BROKER`, else inferred',
    must: oneOf(...BROKERS),
    text: "`'kafka'`, `'rabbitmq'`, `'redis'`, `'sqlite'`, `'memory'`",
  },
  driver: {
    default: 'none',
    must: callable,
    text: 'instead of `broker`, for a broker that is none of ours: `(options) => driver`, which keeps the contract of `@corebus/core/driver`. Its address, if it needs one, is `url`',
  },
  url: {
    default: "the broker's variable, else its default address",
    must: addresses,
    text: 'bootstrap servers (commas, or an array), `amqp(s)://`, `redis(s)://`, a file, or `memory://name`. See [environment](environment.md)',
  },
  bootstrapServers: { default: '', must: addresses, text: 'another name of `url`. Giving both is an error' },
  tls: {
    default: "`false`, or what the URL's scheme says",
    must: objectOr(TLS, (value) => typeof value === 'boolean', 'true, false or { ca, cert, key }'),
    text: '`true`, or `{ ca, cert, key }` as PEM text. `cert` and `key` go together. An error on `sqlite` and `memory`',
    inside: TLS,
  },
  auth: {
    default: '`MESSAGING_USERNAME`, `MESSAGING_PASSWORD`',
    must: objectOf(AUTH),
    text: "`{ username, password, mechanism }`. `mechanism`: Kafka only, `'plain'` (default), `'scram-sha-256'`, `'scram-sha-512'`",
    inside: AUTH,
  },
  client: {
    default: 'none',
    must: secretly('an object with options of the client library', isObject),
    text: "options for the broker's client library (amqplib, kafkajs, redis), passed on as they are, such as `{ servername, keepAlive }` or `{ clientId, ssl: { servername } }`. One that contradicts a promise is refused: `CLIENT_OPTION`. An error on `sqlite` and `memory`",
  },
  prefix: {
    default: 'none',
    must: must(
      'letters, digits, dots, dashes and underscores, at most 60',
      (value) => typeof value === 'string' && /^[\w.-]{0,60}$/.test(value),
    ),
    text: 'put before the names of everything made on the broker. Letters, digits, `.`, `-`, `_`, at most 60',
  },
  names: NAMES,
  topology: {
    default: "`'create'`",
    must: objectOr(
      TOPOLOGY,
      (value) => (MODES as readonly unknown[]).includes(value),
      `one of ${MODES.join(', ')}, or { mode, partitions, topics }`,
    ),
    text: "`'create'` adds topics that are missing and alters nothing; `'check'` changes nothing and fails with `TOPOLOGY` when something is missing. Or an object, see below",
    inside: TOPOLOGY,
  },
  durability: {
    default: "`'normal'`",
    must: oneOf('normal', 'full'),
    text: "SQLite only: `'normal'` or `'full'`. See [what each survives](../explanation/sqlite-broker.md#what-survives)",
  },
  service: {
    default: '`SERVICE_NAME`, `API_NAME`, the name in the nearest package.json without its scope',
    must: text,
    text: '`source` of every event, and the default group. An error when there is none',
  },
  defaultTopic: { default: '`MESSAGING_DEFAULT_TOPIC`', must: text, text: 'where events go that have no topic' },
  publish: { default: '', must: objectOf(PUBLISH), text: 'how publishes wait', inside: PUBLISH },
  session: {
    default: 'none',
    must: must('a function, or { write, read } of two functions', isSession),
    text: '`(work) => Promise`: opens a transaction, calls `work(db)`, commits when it resolves, rolls back when it rejects, and passes its result or error on. Handlers and requests get `db` from it. Or `{ write, read }`, with a session that only reads: see [sessions](../how-to/sessions.md)',
  },
  outbox: {
    default: 'none',
    must: having('write'),
    text: 'writes events in the transaction of the session: `sqlOutbox()` of `@corebus/sql`. See [delivery guarantees](../explanation/delivery-guarantees.md#events-and-rows-in-one-transaction)',
  },
  inbox: {
    default: 'none',
    must: having('firstTime'),
    text: 'marks each message in the transaction of its handler, so that its effect happens once: `sqlInbox()`. Needs a session. See [delivery guarantees](../explanation/delivery-guarantees.md#an-effect-that-happens-once)',
  },
  schedules: {
    default: 'none',
    must: having('attach'),
    text: 'runs what was registered with `schedule`: `sqlSchedules()`. Without it a schedule is an error at start (`COMPANION`)',
  },
  ...ENVELOPE,
  ...LIMITS,
  ...RETRY,
  resolve: {
    default: '`new Class()`',
    must: callable,
    text: '`(Class) => instance`, or a promise of it: makes the one instance of a consumer class or ViewSet. Needed for classes with constructor arguments',
  },
  handlers: {
    default: 'every decorated class, for the default instance; none for another',
    must: must(
      'an array in which everything is a class',
      (value) => Array.isArray(value) && value.every((item) => typeof item === 'function'),
    ),
    text: 'the consumer classes of this instance',
  },
  onStart: { default: 'none', must: callable, text: 'called before the first handler runs' },
  onClose: { default: 'none', must: callable, text: 'called after the last' },
  onDeadLetter: {
    default: 'none',
    must: callable,
    text: 'called with each message that a group of this process has given up on, once it is a dead letter: `{ topic, group, id, event, attempts, reason, error, code, correlationId }`. Nothing waits for it but `close`, within `shutdownMs`; what it throws is logged. See [dead letters](../how-to/dead-letters.md#be-told)',
  },
  logger: {
    default: 'pino at `logLevel`, readable on a terminal, JSON elsewhere',
    must: having('debug', 'info', 'warn', 'error', 'child'),
    text: 'a pino logger',
  },
  logLevel: {
    default: "`LOG_LEVEL`, else `'info'`",
    must: oneOf(...LOG_LEVELS),
    text: 'of the logger that is made here: `trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`',
  },
  env: { default: '`process.env`', must: must('an object', isObject), text: 'where variables are read' },
  clock: { default: "the system's", must: having('now', 'after'), text: '`{ now, after }`: time, for tests' },
}

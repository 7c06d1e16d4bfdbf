import type { Logger } from 'pino'
import type { GroupSaid } from '../config/group-options.ts'
import type { RetryOptions } from '../config/retry-options.ts'
import type { Message, Properties, Source } from '../driver.ts'
import type { Producer, Publishing } from '../scope/publishing.ts'
import type { SessionMode } from '../scope/session.ts'
import type { EventType } from '../wire/event-type.ts'
import type { Beside } from '../wire/foreign-envelope.ts'
import type { Wire } from '../wire/schema.ts'

/** What every handler gets beside its message. `Db` is what the configured session opens. */
export interface HandlerContext<Db = unknown> {
  /**
   * The open session of this message: committed when the handler resolves, rolled back when it rejects.
   * @throws CorebusError NO_SESSION when it is read where there is none
   */
  readonly db: Db
  /**
   * With `session: 'manual'`: runs `work` in a session, once. It is committed when `work` resolves, and what was recorded meanwhile is written into
   * the outbox with it, or published after it; it is rolled back when `work` rejects, and when the message timed out or was taken from this process
   * meanwhile. With an inbox the message is marked in it first.
   * @throws CorebusError SESSION_TWICE for a second call and where the handler stands in a session; NO_SESSION where there is none; DUPLICATE,
   * which needs no catch, when the message was handled before: it is acknowledged, and nothing of what the handler recorded leaves
   */
  readonly session: <T>(work: (db: Db) => Promise<T>) => Promise<T>
  /** Bound to topic, event, key, id, attempt and correlation id. */
  readonly logger: Logger
  /** Aborts at the time-out, at the end of the shutdown budget, and when the message was taken from us. Pass it to fetch and queries. */
  readonly signal: AbortSignal
  /** 1 at the first call. */
  readonly attempt: number
  readonly topic: string
  readonly key: string | undefined
  readonly id: string
  readonly headers: Message['headers']
  /** The bytes of the key, which `key` shows as text. */
  readonly rawKey: Uint8Array | undefined
  /** The bytes of the body as they came, for who keeps messages. A copy: read it once. */
  readonly rawBody: Uint8Array
  /** What AMQP has beside headers: `type`, `correlationId`, `replyTo`, `appId` and others. Undefined on other brokers. */
  readonly properties: Properties | undefined
  /** As it was published, on a broker with exchanges, also for a retry. Undefined on other brokers. */
  readonly routingKey: string | undefined
  readonly group: string
  /** As the exported functions, of the instance that runs the handler: what they record belongs to this message, whatever calls them. */
  readonly emit: Publishing['emit']
  readonly publishEvent: Publishing['publishEvent']
  readonly send: Producer['send']
}

/**
 * How the bytes become what the handler gets: JSON (default), text, the bytes themselves, or a function (Avro, protobuf), which may be async. What it
 * throws makes the message a dead letter (`decode`); `RetryLater` asks for it again later, without an attempt spent.
 */
export type Decode = 'json' | 'text' | 'bytes' | ((body: Uint8Array, headers: Message['headers'], beside: Beside) => unknown)

/** One registration, by decorator or by function, before it is known where it fits. */
export interface HandlerSpec {
  /** For messages to people: `OrderEvents.welcome`, or where `on` was called. */
  readonly where: string
  /** The line that registered it: `/app/src/orders.ts:12`. */
  readonly at: string | undefined
  /** Default: the service's name. */
  readonly group: string | undefined
  readonly on:
    | {
        readonly kind: 'event'
        readonly name: string
        readonly type: EventType<string, unknown> | undefined
        readonly topics: readonly string[] | undefined
      }
    | { readonly kind: 'message'; readonly topics: readonly string[]; readonly wire: Wire<unknown> | undefined; readonly decode: Decode }
  /** The topics its class listens to, where they are listed. */
  readonly classTopics: readonly string[] | undefined
  /** Nearest first: the handler's own, then its class's. */
  readonly retry: readonly RetryOptions[]
  readonly groupOptions: GroupSaid
  /** What of others its messages come from, instead of from its topic. */
  readonly source?: Source | undefined
  readonly autoStart: boolean
  /** Default true. */
  readonly session?: SessionMode | undefined
  /** `false`: its messages are handled without the inbox. */
  readonly inbox?: boolean | undefined
  readonly inboxKey?: InboxKey | undefined
  /** Makes the function to call; asked once, at start. */
  readonly bind: (resolve: Resolve) => HandlerFunction | Promise<HandlerFunction>
}

/** What the inbox knows a message by, instead of by its id: a string that is not empty. What it throws is the handler's failure. */
export type InboxKey<In = unknown> = {
  // The parameters of a method may be narrower: where nothing is known of the message, the function says what it takes.
  key(message: In, of: Pick<Message, 'topic' | 'key' | 'id' | 'headers'>): string
}['key']

export type HandlerFunction = (input: unknown, context: HandlerContext) => unknown

/** Makes or finds the one instance of a class. */
export type Resolve = <T extends object>(type: new (...args: never[]) => T) => T | Promise<T>

import type { Logger } from 'pino'
import type { Message } from '../driver.ts'

/** What an instance lends to what works beside its handlers and requests. */
export interface Host {
  /** `source` of its events, and the default name of what its companions own. */
  readonly service: string
  /** The place where its messages go, in words that all processes of a service say alike: the broker's kind and the names on it, without hosts and secrets. */
  readonly destination: string
  readonly logger: Logger
  /** As it was configured: a companion that knows the maker of the sessions needs no database of its own. */
  readonly session: unknown
  /** Whether `publishEvent(..., { tx })` can be had. */
  readonly hasOutbox: boolean
  /** The longest that a message may come again after it was handled: retries and their jitter, of all groups that are registered. In ms. */
  longestRetryMs(): number
  /**
   * Hands messages to the broker as they are, without middleware, and resolves when all are confirmed.
   * @throws PublishError that names those that failed, and of each whether trying again can help
   */
  publish(messages: readonly Message[]): Promise<void>
  /** Publishes an event as `publishEvent` of the instance does. */
  publishEvent: (type: never, data: unknown, options?: object) => Promise<void>
}

/** What is said of a companion in `health()`. */
export interface CompanionHealth {
  /** Of the oldest message that is due and not published yet, in ms; 0 when there is none; undefined while it is not known. */
  readonly oldestMs?: number | undefined
  /** Why it does not work at the moment: the database is away, a table is missing. */
  readonly trouble?: string | undefined
}

/** A companion at work for one instance. */
export interface Attached {
  /** Begins what runs by itself, such as a relay. Called once, when the instance begins to handle, to answer requests or to open sessions. */
  begin(): void
  /** Checks what needs the database. Called before the first handler runs. @throws CorebusError for what is missing or does not fit */
  check?(): Promise<void>
  /** Ends what `begin` began, within `withinMs`. What is left unpublished stays in the database. */
  close(withinMs: number): Promise<void>
  health?(): CompanionHealth
  /**
   * Does now what is due by the time of a test, `testNow`, and resolves with how long nothing more will be, in ms; undefined when nothing waits. Called by the
   * test kit alone, whose clock goes on only then. @throws why it cannot be done
   */
  catchUp?(): Promise<number | undefined>
}

/** Something that is given to an instance and works beside it. It is attached once. */
export interface Companion {
  attach?(host: Host): Attached
}

/** A message on its way into an outbox. */
export interface OutboxMessage {
  readonly message: Message
  /** Not before: so many ms from now, or a time in ms since the epoch. */
  readonly due?: { readonly afterMs: number } | { readonly at: number }
}

/** Writes messages in the session's own transaction; a relay publishes them after the commit. */
export interface Outbox<Db = unknown> extends Companion {
  /** An event that is published where no session is open is an error, instead of going to the broker as without an outbox. Default false. */
  readonly required?: boolean
  /**
   * Writes all of them in one statement. `db` is what a session opened, or a transaction that the user passed as `{ tx }`; without one the outbox
   * writes in a transaction of its own. An error makes the session roll back.
   */
  write(db: Db | undefined, messages: readonly OutboxMessage[]): Promise<void>
  /** A session that wrote has committed: its relay need not wait for its next look. Must not throw. */
  committed?(): void
  /** Takes a delayed message back, in the transaction that is given or in one of its own. False when it has left, or was never there. */
  cancel?(db: Db | undefined, id: string): Promise<boolean>
}

/** Remembers what was handled, in the session's own transaction. */
export interface Inbox<Db = unknown> extends Companion {
  /** Marks (group, topic, id) and returns true; false when it was marked before. Waits while another transaction that has marked it is undecided. */
  firstTime(db: Db, group: string, message: Pick<Message, 'topic' | 'id'>): Promise<boolean>
}

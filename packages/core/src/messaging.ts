import type { Logger } from 'pino'
import { held } from './clock.ts'
import type { Config } from './config/config.ts'
import type { MessagingOptions } from './config/messaging-options.ts'
import type { Health } from './consumer/health.ts'
import { START, type StartOptions } from './consumer/start-options.ts'
import { checkEvents, refuseOutbox } from './decorators/event.ts'
import { eventRecords } from './decorators/registered.ts'
import type { Driver } from './driver.ts'
import { CorebusError } from './errors.ts'
import type { HandlerContext } from './handlers/handler.ts'
import type { OnEventOptions } from './handlers/specs.ts'
import { eventSpec, type FunctionOptions, type MessageFunction, type MessageHandlerOptions, messageSpec } from './handlers/specs.ts'
import { closeParts } from './instance/close.ts'
import { type CompanionsHealth, checkWanted } from './instance/companions.ts'
import { guardOf, observed } from './instance/guard.ts'
import { type Parts, partsOf } from './instance/parts.ts'
import { type Registered, Registrations } from './instance/registrations.ts'
import type { Counters } from './observe/counters.ts'
import { checkOptions } from './options/check.ts'
import { inFrameAsLoaded } from './process/frame.ts'
import { registry } from './process/registry.ts'
import { MIDDLEWARE, type Middleware } from './publish/middleware.ts'
import { type Given, keepGiven, keepGivenOf } from './scope/given.ts'
import type { Owner, Publishing } from './scope/publishing.ts'
import type { RequestOptions, RequestScope } from './scope/request.ts'
import { scopeOwnedBy } from './scope/scope.ts'
import { checkSessionMode, checkWrites, type SessionMode } from './scope/session.ts'
import type { Event, EventType } from './wire/event-type.ts'
import type { Schema } from './wire/schema.ts'

/** What `configureMessaging<{ db: Tx }>` says about types that cannot be inferred. */
export interface Types {
  readonly db?: unknown
}
/** What handlers and requests get as `db`. */
export type DbOf<T extends Types> = T extends { readonly db: infer Db } ? Db : unknown

export interface OnOptions extends OnEventOptions, FunctionOptions {}

/** One instance: one broker connection, its handlers, its events. */
export interface Messaging<T extends Types = Types> extends Publishing {
  /** Redacted, for logs and checks. */
  readonly settings: Omit<Config, 'url' | 'auth' | 'tls' | 'client'>
  readonly logger: Logger
  /** The name that it has in the records of the diagnostics channels, among the instances of a process. */
  readonly instance: string
  readonly counters: Readonly<Counters>
  /** Handles one event, decoded and checked. */
  on<Name extends string, Data = unknown>(
    type: EventType<Name, Data> | Name,
    options: OnOptions,
    handler: (event: Event<NoInfer<Name>, NoInfer<Data>>, context: HandlerContext<DbOf<T>>) => unknown,
  ): void
  /** Handles the messages of a topic as they are. */
  handle<In>(options: MessageHandlerOptions<In> & FunctionOptions & { schema: Schema<In> }, handler: MessageFunction<In, DbOf<T>>): void
  // biome-ignore lint/suspicious/noExplicitAny: without a schema nothing is known of the message, and the handler says what it takes
  handle(options: MessageHandlerOptions<unknown> & FunctionOptions & { schema?: never }, handler: MessageFunction<any, DbOf<T>>): void
  /** Middleware around publish and around the handler call. Before the first publish and before `start`. */
  use(middleware: Middleware): void
  /** Runs the handlers in this process: all with `autoStart`, or those for the topics or groups named. Resolves when all are consuming. */
  start(options?: StartOptions): Promise<void>
  /** Drains: running handlers finish within `shutdownMs`, pending publishes are confirmed, the broker is disconnected. Safe to call twice. */
  close(): Promise<void>
  /**
   * What is wrong, in words, and how the groups and the companions (outbox, inbox, schedules) do. An instance that has had no use for its broker yet is
   * ready; one whose first connection failed is not, and tries it again.
   */
  health(): Health & CompanionsHealth
  /**
   * Checks what can be checked without a broker: `@event` methods without a topic, and routes whose session or outbox cannot be had. `mount` calls it.
   * Without routes every `@event` method of the process is asked for its outbox.
   */
  check(routes?: readonly RouteToCheck[]): void
  /**
   * Begins what works beside handlers and requests, such as the relay of an outbox. `start`, `mount` of `@corebus/hono`, the first request and the
   * first `session` do it; a server that is mounted otherwise calls it once it runs. Safe to call twice.
   */
  begin(): void
  /**
   * Runs `work` in a session: committed when it resolves, rolled back when it rejects. What is emitted in it leaves after the commit; with an outbox
   * it is written before the commit, in the same transaction. Inside of a session of this instance that is open it joins that one: the same `db`, one
   * commit, and when `work` fails nothing of either is committed. With `session: 'manual'` it opens the part. A session that runs its work again after
   * a conflict in the database runs `work` again.
   * @throws CorebusError NO_SESSION where none is configured, SESSION_READS inside of one that only reads, SESSION_BROKEN when an error of a block
   * that had joined was swallowed
   */
  session<R>(work: (db: DbOf<T>) => Promise<R>): Promise<R>
  /** The connected driver: for admin tools and tests. */
  driver(): Promise<Driver>
  /** For web frameworks: the scope and session of one request. */
  openRequest(options?: RequestOptions): RequestScope<DbOf<T>>
  /** The one instance of a class in this process: made by the `resolve` option, else by `new`. @throws CorebusError RESOLVE */
  resolve<C extends object>(type: new (...args: never[]) => C): C | Promise<C>
}

/** A route, as web frameworks have it checked. */
export interface RouteToCheck {
  readonly where: string
  readonly session?: SessionMode | undefined
  /** What it returns is published by `@event(..., { outbox: true })`, so its request must write in a session. */
  readonly writesOutbox?: boolean
}

/**
 * Makes an instance of its own, beside the default one. Reads the environment once; connects at the first use.
 * @throws CorebusError CONFIG that lists every mistake of options and environment.
 */
export function createMessaging<T extends Types = Types, Db = DbOf<T>>(
  options: MessagingOptions<Db> = {},
): Messaging<T & { readonly db: Db }> {
  for (const type of (options as MessagingOptions | null)?.handlers ?? []) registry.elsewhere.add(type) // plain JavaScript may give null
  return createInstance<T & { readonly db: Db }>(options as never, {
    classes: () => options.handlers ?? [],
    functions: () => [],
    ownsEvents: false,
  })
}

/** An instance, and what it is made of. */
export interface Made {
  readonly messaging: Messaging
  readonly parts: Parts
}

/** The test kit, which puts a stand-in in the place of every instance that is made once it is imported. */
export interface TestKit {
  standIn(options: MessagingOptions, registered: Registered, make: Make): Messaging
}

/** Makes an instance, whose jitter is by `random`. */
export type Make = (options: MessagingOptions, registered: Registered, random?: () => number) => Made

/** The default instance (`ownsEvents`), or one beside it. */
export function createInstance<T extends Types>(options: MessagingOptions<DbOf<T>>, registered: Registered): Messaging<T> {
  const kit = registry.testKit as TestKit | undefined
  const given = options as MessagingOptions
  const messaging = kit ? kit.standIn(given, registered, madeOf) : madeOf(given, registered).messaging
  return messaging as unknown as Messaging<T>
}

function madeOf(options: MessagingOptions, registered: Registered, random: () => number = Math.random): Made {
  const parts = partsOf(options, random)
  const messaging = instanceOn(parts, options, registered)
  const { config, connection } = parts
  // An instance beside the default one was made by a call, which the test can see.
  if (registered.ownsEvents)
    connection.guard = guardOf({ config, env: options.env ?? process.env, isObserved: () => observed().has(messaging) })
  return { parts, messaging }
}

function instanceOn<T extends Types>(parts: Parts, options: MessagingOptions<DbOf<T>>, registered: Registered): Messaging<T> {
  const {
    config,
    logger,
    observer,
    connection,
    outlet,
    consumers,
    owner,
    publishMiddleware,
    handleMiddleware,
    requests,
    session,
    resolve,
    companions,
  } = parts
  const registrations = new Registrations(registered, options.handlers ?? [], logger)
  let closing: Promise<void> | undefined

  const messaging: Messaging<T> = {
    settings: settingsOf(config),
    logger,
    instance: observer.instance,
    counters: observer.counters,
    on: (type: EventType | string, onOptions: OnOptions, handler: unknown) =>
      registrations.add(eventSpec(type, onOptions, handler), consumers.started),
    handle: (handleOptions: MessageHandlerOptions<unknown> & FunctionOptions, handler: MessageFunction<never, never>) =>
      registrations.add(messageSpec(handleOptions, handler as never), consumers.started),
    emit: owner.emit,
    publishEvent: owner.publishEvent,
    cancel: owner.cancel,
    getProducer: owner.getProducer,
    session: owner.session as Messaging<T>['session'],
    use: (middleware) => {
      checkOptions('use', middleware, MIDDLEWARE)
      const { publish, handle } = middleware
      if (publish) publishMiddleware.push(publish)
      if (handle) handleMiddleware.push(handle)
    },
    start: async (startOptions = {}) => {
      if (closing) throw new CorebusError('CLOSED', 'this instance is closed: make a new one')
      checkOptions('start', startOptions, START)
      registrations.endWaiting()
      if (registered.ownsEvents) messaging.check()
      if (registered.ownsEvents) checkWanted(options as MessagingOptions)
      const specs = registrations.all({ mayBeNone: options.schedules !== undefined })
      await held(() => inFrameAsLoaded(() => consumers.start(specs, startOptions)))
    },
    close: () => {
      registrations.endWaiting()
      closing ??= held(() => inFrameAsLoaded(() => closeParts(parts)))
      return closing
    },
    health: () => withCompanions(consumers.health(), companions.health()),
    check: (routes) => {
      checkEvents(config, eventRecords)
      if (!routes && !outlet.outbox) refuseOutbox(eventRecords)
      for (const { where, session: mode, writesOutbox } of routes ?? []) {
        checkSessionMode(where, mode, { session })
        if (writesOutbox) checkWrites(where, mode, { session, outbox: outlet.outbox })
      }
    },
    begin: () => companions.begin(),
    driver: () => connection.driver(),
    openRequest: (requestOptions) => requests.openRequest(requestOptions) as RequestScope<DbOf<T>>,
    resolve,
  }
  keepGiven(messaging, { ...(options as MessagingOptions), attach: (name, attached) => companions.add(name, attached) })
  return Object.defineProperty(messaging, OWNER, { value: owner })
}

/** Of any copy of the SDK: the default instance may have been made by another one. */
const OWNER = Symbol.for('corebus.owner')

/** The instance as its scopes know it. */
export const ownerOf = (messaging: object): Owner => (messaging as { readonly [OWNER]: Owner })[OWNER]

/** Whether the transaction is the one that a session of the instance has open here: what is emitted then is written with it, all of it in one statement. */
export function isOpenSession(messaging: object, db: unknown): boolean {
  const open = scopeOwnedBy(ownerOf(messaging))?.open
  return open !== undefined && !open.reads && open.db === db
}

/** Makes an object stand for an instance that may be another one each time. */
export function standsFor(messaging: Messaging, { owner, given }: { owner: () => Owner; given: () => Given }): Messaging {
  keepGivenOf(messaging, given)
  return Object.defineProperty(messaging, OWNER, { get: owner })
}

/** An outbox that cannot do its work makes the instance not ready. */
function withCompanions(health: Health, companions: CompanionsHealth): Health & CompanionsHealth {
  const troubles = Object.entries(companions).flatMap(([name, { trouble }]) => (trouble === undefined ? [] : [`${name}: ${trouble}`]))
  return { ...health, ready: health.ready && troubles.length === 0, reasons: [...health.reasons, ...troubles], ...companions }
}

function settingsOf({ url: _, auth: __, tls: ___, client: ____, ...settings }: Config): Messaging['settings'] {
  return settings
}

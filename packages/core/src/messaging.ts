import type { Logger } from 'pino'
import { createConnection } from './broker/connection.ts'
import { type Clock, held, monotonic, runtimeOf, sleep, systemClock } from './clock.ts'
import { type Config, readConfig } from './config/config.ts'
import type { MessagingOptions } from './config/messaging-options.ts'
import { Consumers, START, type StartOptions } from './consumer/consumers.ts'
import type { Health } from './consumer/health.ts'
import { checkEvents } from './decorators/event.ts'
import { eventRecords, handlerSpecs, startsByItself } from './decorators/registered.ts'
import type { Driver } from './driver.ts'
import { CorebusError } from './errors.ts'
import type { HandlerContext, HandlerSpec } from './handlers/handler.ts'
import { singletons } from './handlers/instances.ts'
import type { OnEventOptions } from './handlers/specs.ts'
import { eventSpec, type FunctionOptions, type MessageFunction, type MessageHandlerOptions, messageSpec } from './handlers/specs.ts'
import { awaitsStart, endsWaiting, noHandlers, waitingElsewhere } from './handlers/unstarted.ts'
import { DeadLetterCalls } from './observe/dead-letter-calls.ts'
import { createLogger } from './observe/logger.ts'
import { type Counters, Observer } from './observe/observer.ts'
import { steady } from './observe/steady.ts'
import { checkOptions } from './options/check.ts'
import { inFrameAsLoaded } from './process/frame.ts'
import { type Class, registry } from './process/registry.ts'
import { eventMessage, type OutgoingDefaults } from './publish/message.ts'
import { type HandleMiddleware, MIDDLEWARE, type Middleware, type PublishMiddleware } from './publish/middleware.ts'
import { createOutlet } from './publish/outlet.ts'
import { createProducer } from './publish/producer.ts'
import { Publisher } from './publish/publisher.ts'
import { watchUnclaimed } from './publish/unclaimed.ts'
import type { EventOptions, Publishing } from './scope/publishing.ts'
import { createRequests, type RequestOptions, type RequestScope } from './scope/request.ts'
import { currentScope, nextIdIn, type Recorded, record } from './scope/scope.ts'
import { checkSessionMode, type Session, type SessionMode, type Sessions } from './scope/session.ts'
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
  health(): Health
  /** Checks what can be checked without a broker: `@event` methods without a topic, and routes whose session cannot be had. `mount` calls it. */
  check(routes?: readonly { readonly where: string; readonly session?: SessionMode | undefined }[]): void
  /** The connected driver: for admin tools and tests. */
  driver(): Promise<Driver>
  /** For web frameworks: the scope and session of one request. */
  openRequest(options?: RequestOptions): RequestScope<DbOf<T>>
  /** The one instance of a class in this process: made by the `resolve` option, else by `new`. @throws CorebusError RESOLVE */
  resolve<C extends object>(type: new (...args: never[]) => C): C | Promise<C>
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

/** What an instance runs besides what is registered on it. Asked at start: what is registered until then counts. */
export interface Registered {
  classes(): Iterable<Class>
  functions(): readonly HandlerSpec[]
  /** The methods under `@event` are its own, so it checks them at start. */
  readonly ownsEvents: boolean
}

export function createInstance<T extends Types>(
  options: MessagingOptions<DbOf<T>>,
  { classes, functions, ownsEvents }: Registered,
): Messaging<T> {
  const config = readConfig(options as MessagingOptions)
  const clock: Clock = options.clock ?? systemClock
  const given = options.logger ?? createLogger({ level: config.logLevel, service: config.service })
  const logger = steady(given)
  const { onDeadLetter } = options
  const deadLetterCalls = onDeadLetter && new DeadLetterCalls({ call: onDeadLetter, logger, clock: runtimeOf(clock) })
  const observer = new Observer({ service: config.service, logger, onDeadLetter: deadLetterCalls })
  const { driver: theirs } = options
  const connection = createConnection({ config, clock, observer, logger, ...(theirs && { load: (_, given) => theirs(given) }) })
  const unclaimed = watchUnclaimed({ clock, logger, group: config.service })
  const publisher = new Publisher({
    driver: connection.driver,
    ensureTopic: connection.ensureTopic,
    away: connection.away,
    onStored: (driver, messages) => unclaimed.stored(driver, messages[0]?.topic ?? '', messages.length),
    clock: runtimeOf(clock),
    timeoutMs: config.publishTimeoutMs,
    maxPending: config.maxPending,
  })
  const publishMiddleware: PublishMiddleware[] = []
  const handleMiddleware: HandleMiddleware[] = []
  const outlet = createOutlet({ publisher, observer, middleware: publishMiddleware, hasOutbox: options.outbox !== undefined })
  const defaults: OutgoingDefaults = {
    service: config.service,
    defaultTopic: config.defaultTopic,
    maxBytes: config.maxBytes,
    now: clock.now,
  }
  const session = options.session as Session<unknown> | Sessions<unknown> | undefined
  const own: HandlerSpec[] = []
  const resolve = singletons(options.resolve)
  const owner: Publishing = {
    emit: (type: EventType | string, data: unknown, eventOptions: EventOptions = {}) => {
      mustHaveSession('emit')
      record(recorded(type, data, eventOptions))
    },
    publishEvent: async (type: EventType | string, data: unknown, eventOptions: EventOptions = {}) => {
      mustHaveSession('publishEvent')
      if (outlet.hasOutbox) record(recorded(type, data, eventOptions))
      else await outlet.publish([recorded(type, data, eventOptions)])
    },
    getProducer: () => producer,
  }
  const consumers = new Consumers({
    config,
    clock,
    connection,
    observer,
    logger,
    handlersLogger: given,
    options: options as MessagingOptions,
    resolve,
    handleMiddleware,
    owner,
    outlet,
  })
  let closing: Promise<void> | undefined

  const recorded = (type: EventType | string, data: unknown, eventOptions: EventOptions): Recorded => {
    const scope = currentScope()
    const id = (eventOptions as EventOptions | null)?.id ?? (scope && nextIdIn(scope)) // plain JavaScript may give null
    const message = eventMessage(type, data, id === undefined ? eventOptions : { ...eventOptions, id }, defaults)
    return { message, event: typeof type === 'string' ? type : type.name, outlet }
  }

  const key: object = ownsEvents ? registry : own

  const register = (spec: HandlerSpec): void => {
    if (consumers.started) throw new CorebusError('STARTED', `${spec.where} was registered after start: register every handler before`)
    own.push(spec)
    if (spec.autoStart) awaitsStart(spec, { owner: key, where: spec.where, logger })
  }
  for (const type of (options.handlers ?? []).filter(startsByItself))
    awaitsStart(type, { owner: key, where: `@consumer ${type.name}`, logger })

  const mustHaveSession = (what: string): void => {
    if (!outlet.hasOutbox || currentScope()?.session === 'write') return
    const why =
      currentScope()?.session === 'read'
        ? 'and the one here only reads: say session: true'
        : 'call it where one is open: in a handler or a request that does not say session: false'
    throw new CorebusError(
      'NO_SESSION',
      `${what} with an outbox needs an open session to be written in${currentScope()?.session === 'read' ? ', ' : ': '}${why}`,
    )
  }

  const producer = createProducer(outlet, defaults)
  const requests = createRequests({
    session,
    outbox: options.outbox as MessagingOptions['outbox'],
    owner,
    outlet,
  })

  const messaging: Messaging<T> = {
    settings: settingsOf(config),
    logger,
    counters: observer.counters,
    on: (type: EventType | string, onOptions: OnOptions, handler: unknown) => register(eventSpec(type, onOptions, handler)),
    handle: (handleOptions: MessageHandlerOptions<unknown> & FunctionOptions, handler: MessageFunction<never, never>) =>
      register(messageSpec(handleOptions, handler as never)),
    ...owner,
    use: (middleware) => {
      checkOptions('use', middleware, MIDDLEWARE)
      const { publish, handle } = middleware
      if (publish) publishMiddleware.push(publish)
      if (handle) handleMiddleware.push(handle)
    },
    start: async (startOptions = {}) => {
      if (closing) throw new CorebusError('CLOSED', 'this instance is closed: make a new one')
      checkOptions('start', startOptions, START)
      endsWaiting(key)
      if (ownsEvents) messaging.check()
      const specs = handlerSpecs([...new Set(classes())], [...functions(), ...own])
      if (specs.length === 0) throw noHandlers(waitingElsewhere(key), ownsEvents)
      await held(() => inFrameAsLoaded(() => consumers.start(specs, startOptions)))
    },
    close: () => {
      endsWaiting(key)
      closing ??= held(() => inFrameAsLoaded(closeAll))
      return closing
    },
    health: () => consumers.health(),
    check: (routes = []) => {
      checkEvents(config.defaultTopic, eventRecords)
      for (const { where, session: mode } of routes) checkSessionMode(where, mode, { session, outbox: options.outbox })
    },
    driver: connection.driver,
    openRequest: (requestOptions) => requests.openRequest(requestOptions) as RequestScope<DbOf<T>>,
    resolve,
  }

  /** A client that has gone keeps no server open, and its handler still runs. */
  async function requestsOver(): Promise<void> {
    const timer = new AbortController()
    await Promise.race([requests.over(), sleep(runtimeOf(clock), config.shutdownMs, timer.signal)])
    timer.abort()
    if (requests.open > 0)
      logger.warn(
        `${requests.open} requests still run after ${config.shutdownMs} ms (shutdownMs): what they record from now on is not published`,
      )
  }

  async function closeAll(): Promise<void> {
    const until = monotonic(runtimeOf(clock)) + config.shutdownMs
    try {
      await Promise.all([consumers.drain(), requestsOver()])
      await deadLetterCalls?.drain(Math.max(until - monotonic(runtimeOf(clock)), 0))
      await outlet.drain()
      await publisher.drain()
    } finally {
      unclaimed.end()
      await connection.close().finally(() => consumers.end())
    }
  }

  return messaging
}

function settingsOf({ url: _, auth: __, tls: ___, client: ____, ...settings }: Config): Messaging['settings'] {
  return settings
}

import type { Logger } from 'pino'
import { Connection } from '../broker/connection.ts'
import { type Clock, runtimeOf, systemClock } from '../clock.ts'
import { type Config, readConfig } from '../config/config.ts'
import { destinationOf } from '../config/destination.ts'
import type { MessagingOptions } from '../config/messaging-options.ts'
import { Consumers } from '../consumer/consumers.ts'
import type { Driver } from '../driver.ts'
import type { Resolve } from '../handlers/handler.ts'
import { singletons } from '../handlers/instances.ts'
import { DeadLetterCalls } from '../observe/dead-letter-calls.ts'
import { createLogger } from '../observe/logger.ts'
import { Observer } from '../observe/observer.ts'
import { steady } from '../observe/steady.ts'
import type { OutgoingDefaults } from '../publish/message.ts'
import type { HandleMiddleware, PublishMiddleware } from '../publish/middleware.ts'
import { createOutlet } from '../publish/outlet.ts'
import { createProducer } from '../publish/producer.ts'
import { Publisher } from '../publish/publisher.ts'
import { watchUnclaimed } from '../publish/unclaimed.ts'
import { sessionOn } from '../scope/block.ts'
import type { Host } from '../scope/companion.ts'
import type { Owner } from '../scope/publishing.ts'
import { createRequests } from '../scope/request.ts'
import type { Session, Sessions } from '../scope/session.ts'
import { Companions } from './companions.ts'
import { publishingOn } from './publishing.ts'

/** What one instance is made of. */
export interface Parts extends Observing, Publishes {
  readonly config: Config
  readonly clock: Clock
  readonly connection: Connection
  readonly handleMiddleware: HandleMiddleware[]
  readonly defaults: OutgoingDefaults
  readonly owner: Owner
  readonly companions: Companions
  readonly resolve: Resolve
  readonly session: Session<unknown> | Sessions<unknown> | undefined
  readonly requests: ReturnType<typeof createRequests>
  readonly consumers: Consumers
}

interface Observing {
  /** As it was given: what handlers say is their own. */
  readonly handlersLogger: Logger
  readonly logger: Logger
  readonly deadLetterCalls: DeadLetterCalls | undefined
  readonly observer: Observer
}

interface Publishes {
  readonly unclaimed: ReturnType<typeof watchUnclaimed>
  readonly publisher: Publisher
  readonly publishMiddleware: PublishMiddleware[]
  readonly outlet: ReturnType<typeof createOutlet>
}

/** @throws CorebusError CONFIG that lists every mistake of options and environment */
export function partsOf(options: MessagingOptions, random: () => number): Parts {
  const config = readConfig(options)
  const clock = options.clock ?? systemClock
  const observing = observingFor(options, config, clock)
  const { handlersLogger, logger, observer } = observing
  const { driver } = options
  const connection = new Connection({ config, clock, observer, logger, ...(driver && { load: (_, given) => driver(given) }) })
  const publishes = publishesOn(connection, options, { config, clock, observer, logger })
  const { outlet } = publishes
  const defaults: OutgoingDefaults = {
    service: config.service,
    defaultTopic: config.defaultTopic,
    maxBytes: config.maxBytes,
    formats: config.formats,
    enveloped: new Map(),
    now: clock.now,
  }
  const begin = (): void => companions.begin()
  const owner = publishingOn({
    outlet,
    defaults,
    producer: createProducer(outlet, defaults),
    session: sessionOn(
      () => owner,
      () => requests,
    ),
    begin,
  })
  const session = options.session as Parts['session']
  const resolve = singletons(options.resolve)
  const handleMiddleware: HandleMiddleware[] = []
  const consumers = new Consumers({
    config,
    clock,
    random,
    connection,
    observer,
    logger,
    handlersLogger,
    options,
    resolve,
    handleMiddleware,
    owner,
    outlet,
    companions: { check: () => companions.check(), begin },
  })
  const requests = createRequests({ session, owner, outlet, begin })
  const companions: Companions = new Companions(options, hostOf({ config, logger, session, consumers, outlet, owner }))
  const made = { config, clock, connection, handleMiddleware, defaults, owner, companions, resolve, session, requests, consumers }
  return { ...observing, ...publishes, ...made }
}

/** What the companions may use of the instance. */
function hostOf({ config, logger, session, consumers, outlet, owner }: HostParts): Host {
  return {
    service: config.service,
    destination: destinationOf(config),
    logger,
    session,
    hasOutbox: outlet.outbox !== undefined,
    longestRetryMs: () => consumers.longestRetryMs(),
    publish: (messages) => outlet.relay(messages),
    publishEvent: owner.publishEvent as Host['publishEvent'],
  }
}

type HostParts = Pick<Parts, 'config' | 'logger' | 'session' | 'consumers' | 'outlet' | 'owner'>

function observingFor({ logger: given, onDeadLetter }: MessagingOptions, { logLevel, service }: Config, clock: Clock): Observing {
  const handlersLogger = given ?? createLogger({ level: logLevel, service })
  const logger = steady(handlersLogger)
  const deadLetterCalls = onDeadLetter && new DeadLetterCalls({ call: onDeadLetter, logger, clock: runtimeOf(clock) })
  return { handlersLogger, logger, deadLetterCalls, observer: new Observer({ service, logger, onDeadLetter: deadLetterCalls }) }
}

function publishesOn(
  connection: Connection,
  { outbox }: MessagingOptions,
  { config, clock, observer, logger }: Pick<Parts, 'config' | 'clock' | 'observer' | 'logger'>,
): Publishes {
  const unclaimed = watchUnclaimed({ clock, logger, group: config.service })
  const publisher = new Publisher({
    driver: () => connection.driver(),
    ensureTopic: (topic) => connection.ensureTopic(topic),
    away: () => connection.away(),
    onStored: (driver, messages) => unclaimed.stored(driver, messages[0]?.topic ?? '', messages.length),
    onAside: sayAside(logger),
    clock: runtimeOf(clock),
    timeoutMs: config.publishTimeoutMs,
    maxPending: config.maxPending,
  })
  const publishMiddleware: PublishMiddleware[] = []
  const outlet = createOutlet({ publisher, observer, middleware: publishMiddleware, outbox })
  return { unclaimed, publisher, publishMiddleware, outlet }
}

/** Said once: tests and local work go on without what belongs to others. */
function sayAside(logger: Logger): (driver: Driver) => void {
  let said = false
  return ({ name }) => {
    if (said) return
    said = true
    logger.info(`the ${name} broker has no exchanges, so what is published to one goes into the log of its topic`)
  }
}

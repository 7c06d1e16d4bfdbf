import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Logger } from 'pino'
// Every test starts handlers: what does is loaded with the kit, and not while the first app waits for it.
import '../consumer/groups.ts'
import { loadMemoryOfOwn } from '../broker/load-driver.ts'
import { real } from '../clock.ts'
import { envValue } from '../config/env.ts'
import type { MessagingOptions } from '../config/messaging-options.ts'
import type { StartOptions } from '../consumer/start-options.ts'
import { handlerSpecs } from '../decorators/registered.ts'
import type { Registered } from '../instance/registrations.ts'
import type { Made, Make } from '../messaging.ts'
import { CHANNEL, type HandleRecord, type SettleRecord } from '../observe/channels.ts'
import { createLogger } from '../observe/logger.ts'
import { registry } from '../process/registry.ts'
import type { HandleMiddleware, HandlerCall, Middleware } from '../publish/middleware.ts'
import { randomOf } from './conformance/chaos/random.ts'
import { Failures } from './failures.ts'
import { History } from './history.ts'
import { Quiet } from './quiet.ts'
import { VirtualClock } from './virtual-clock.ts'
import { type Resources, type Running, resources, type UnderWay } from './waiting-for.ts'
import { watched } from './watched.ts'

/** Less than what is taken for standing still. */
const MOST_TURNS = 10

/** The options that say where the broker is, and who may use it. None of them is read. */
const ADDRESS = ['broker', 'driver', 'url', 'bootstrapServers', 'tls', 'auth', 'client', 'durability'] as const

export interface WorldOptions {
  /** As the instance was made, with what the test says beside it. */
  readonly options: MessagingOptions
  readonly registered: Registered
  readonly make: Make
  readonly middleware: readonly Middleware[]
  /** Ms since the epoch. */
  readonly now?: number | undefined
  readonly seed?: number | undefined
}

/** One life of an instance under test: a broker, a clock and a history of its own. */
export class World implements UnderWay {
  readonly clock: VirtualClock
  readonly made: Made
  readonly history: History
  readonly failures: Failures = new Failures()
  readonly running: Set<Running> = new Set()
  readonly readers: Map<string, Set<string>> = new Map()
  openBefore: Resources = resources()
  readonly quiet: Quiet
  dirty = false
  isClosed = false
  #starting: Promise<void> | undefined
  #closing: Promise<void> | undefined
  readonly #registered: Registered
  readonly #unsubscribe: () => void

  /** @throws CorebusError CONFIG */
  constructor({ options, registered, make, middleware, seed, now = Date.now() }: WorldOptions) {
    this.#registered = registered
    this.clock = new VirtualClock(now)
    this.history = new History({ now: this.clock.now, formats: () => this.made.parts.config.formats })
    const random = randomOf(seed ?? 1)
    const pace = seed === undefined ? undefined : () => turns(Math.floor(random() * MOST_TURNS))
    const driver: MessagingOptions['driver'] = async (given) => watched(await loadMemoryOfOwn(given), this.#watch(), pace)
    this.made = make({ ...onMemory(options), clock: this.clock, driver }, registered, random)
    for (const one of middleware) this.made.messaging.use(one)
    this.quiet = new Quiet(this)
    this.#unsubscribe = this.#listen()
  }

  /** Starts the handlers once, whoever asks for it first. Resolves too when there are none. */
  start(options?: StartOptions): Promise<void> {
    this.#starting ??= this.#start(options)
    return this.#starting
  }

  get isStarted(): boolean {
    return this.#starting !== undefined
  }

  async #start(options?: StartOptions): Promise<void> {
    const { messaging } = this.made
    // The last of all, so that it sees what handlers see.
    messaging.use({ handle: this.watching })
    try {
      await messaging.start(options)
    } catch (thrown) {
      // The error may be of any copy of the package, so its code is what is compared. A service may only publish.
      if ((thrown as { readonly code?: unknown }).code !== 'NO_HANDLERS') throw thrown
      messaging.begin()
      await messaging.driver()
    }
  }

  /** The middleware that sees every call. */
  readonly watching: HandleMiddleware = (call, next) => this.#called(call, next)

  async #called(call: HandlerCall, next: () => Promise<unknown>): Promise<unknown> {
    const running = { call, since: real.now() }
    this.history.call(call)
    this.running.add(running)
    try {
      this.failures.check(call.handler)
      return await next()
    } finally {
      this.running.delete(running)
    }
  }

  /** As errors name them. */
  handlers(): readonly string[] {
    const { classes, functions } = this.#registered
    return handlerSpecs([...new Set(classes())], functions()).map(({ where }) => where)
  }

  /** Closes the instance, letting its time pass where it waits for that. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.isClosed = true
    this.failures.restore()
    let closed = false
    const closing = this.made.messaging.close().finally(() => {
      closed = true
    })
    await this.quiet.until(() => closed)
    this.#unsubscribe()
    // A handler that is registered from now on belongs to the next life.
    if (this.#registered.ownsEvents) registry.started = false
    await closing
  }

  #watch(): Parameters<typeof watched>[1] {
    return {
      onPublish: (message) => {
        this.history.publish(message)
        if (this.readers.has(message.topic)) this.dirty = true
      },
      onSubscribe: (group, topics) => {
        for (const topic of topics) this.readers.set(topic, (this.readers.get(topic) ?? new Set()).add(group))
      },
      onMove: () => {
        this.history.moves++
        this.dirty = true
      },
      onLetters: (left) => this.history.deadAreNow(left),
    }
  }

  #listen(): () => void {
    const { instance } = this.made.parts.observer
    const handle = (record: unknown): void => {
      if ((record as HandleRecord).instance === instance) this.history.handle(record as HandleRecord)
    }
    const settle = (record: unknown): void => {
      if ((record as SettleRecord).instance === instance) this.history.settle(record as SettleRecord)
    }
    subscribe(CHANNEL.handle, handle)
    subscribe(CHANNEL.settle, settle)
    return () => {
      unsubscribe(CHANNEL.handle, handle)
      unsubscribe(CHANNEL.settle, settle)
    }
  }
}

async function turns(n: number): Promise<void> {
  for (let turn = 0; turn < n; turn++) await new Promise<void>((resolve) => real.setImmediate(resolve))
}

/** The options without what says where the broker is. What is missing there is made, and lines are written where somebody has said so. */
function onMemory(options: MessagingOptions): MessagingOptions {
  const { topology, logger, logLevel, env = process.env } = options
  const rest = Object.fromEntries(Object.entries(options).filter(([name]) => !(ADDRESS as readonly string[]).includes(name)))
  const isSilent = !logger && logLevel === undefined && envValue(env, 'LOG_LEVEL') === undefined
  return {
    ...rest,
    topology: typeof topology === 'object' ? { ...topology, mode: 'create' } : 'create',
    ...(isSilent && { logger: silent() }),
  }
}

let made: Logger | undefined
/** One for all: each that is made has a way to the standard output. */
function silent(): Logger {
  made ??= createLogger({ level: 'silent', service: 'test' })
  return made
}

import type { MessagingOptions } from '../config/messaging-options.ts'
import type { StartOptions } from '../consumer/start-options.ts'
import { CorebusError } from '../errors.ts'
import { createMessaging, type Messaging } from '../messaging.ts'
import { replayDeadLetters } from '../operations/replay.ts'
import { callSite } from '../process/call-site.ts'
import { registry } from '../process/registry.ts'
import { eventMessage, plainMessage } from '../publish/message.ts'
import type { SendOptions } from '../scope/publishing.ts'
import type { EventType } from '../wire/event-type.ts'
import { Calls } from './calls.ts'
import { type Duration, msOf } from './duration.ts'
import { type Failing, isNamed } from './failures.ts'
import type { DeadMessage, HandledMessage, Of, PublishedMessage, RetriedMessage, SkippedMessage } from './history.ts'
import { kit } from './kit.ts'
import type { StandIn } from './stand-in.ts'
import type { VirtualClock } from './virtual-clock.ts'
import type { World } from './world.ts'

/** A web app that answers without a server, such as Hono's. */
export interface WebApp {
  request(input: string | Request | URL, init?: RequestInit): Response | Promise<Response>
}

type Address = 'broker' | 'driver' | 'url' | 'bootstrapServers' | 'tls' | 'auth' | 'client' | 'durability' | 'clock'

/** The options of a test, beside what the instance was made with. Options of the instance that are given here stand in the place of its own. */
export interface TestAppOptions extends Omit<MessagingOptions, Address> {
  /** Default: the default instance, as `configureMessaging` or the first use makes it; with `handlers` one of their own. */
  readonly messaging?: Messaging<never> | Messaging
  /** The web app that `app.request` asks. */
  readonly hono?: WebApp
  /** The time at which the clock begins, in ms since the epoch or as a Date. Default: now. */
  readonly now?: number | Date
  /**
   * Groups get their messages in an order that it decides, the same for the same number, instead of the order in which they were published; the order of
   * a key is kept. Jitter of retries is the same for each number too. Default: as published.
   */
  readonly seed?: number
  /** Which of the handlers run. Default: all that `start()` starts. */
  readonly start?: StartOptions
  /** How long `settled()` waits for something that does not move, in ms of real time. Default 1,000. */
  readonly patienceMs?: number
  /** How many messages a cascade may have: `settled()` gives up after so many. Default 100,000. */
  readonly mostMessages?: number
}

const worlds = new WeakMap<TestApp, World>()

/** Returns what an app is made of, for the rest of the kit. */
export const worldOf = (app: TestApp): World => worlds.get(app) as World

export interface OfGroup {
  readonly group?: string
}

/** A service under test: its real runtime on a broker in memory, and a clock that stands still until it is told to go on. */
export class TestApp {
  /** The instance under test. */
  readonly messaging: Messaging
  readonly #world: World
  readonly #standIn: StandIn
  readonly #web: WebApp | undefined
  readonly #calls = new Calls()

  constructor(standIn: StandIn, world: World, web: WebApp | undefined) {
    this.messaging = standIn.messaging
    this.#standIn = standIn
    this.#world = world
    worlds.set(this, world)
    this.#web = web
  }

  get clock(): VirtualClock {
    return this.#world.clock
  }

  /** Publishes an event, or a message to a topic, as another service would: past the outbox and the middleware of this one. */
  publish<Name extends string, Data = unknown>(
    what: EventType<Name, Data> | string,
    data: NoInfer<Data>,
    options: SendOptions & { readonly topic?: string } = {},
  ): Promise<void> {
    return this.#during('publish', async () => {
      const { defaults, outlet } = this.#world.made.parts
      const message = typeof what === 'string' ? plainMessage(what, data, options, defaults) : eventMessage(what, data, options, defaults)
      await outlet.relay([message])
    })
  }

  /** Puts a message into a topic as a client of others would: these bytes and headers, and no id. */
  raw(
    topic: string,
    body: string | Uint8Array,
    headers: Readonly<Record<string, string>> = {},
    { key }: { readonly key?: string } = {},
  ): Promise<void> {
    return this.#during('raw', async () => {
      const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body
      const driver = await this.#world.made.messaging.driver()
      await driver.publish([{ id: '', topic, headers, body: bytes, ...(key !== undefined && { key }) }], { withinMs: 10_000 })
    })
  }

  /** Asks the web app that was given as `hono`, as its own `request` does. */
  request(input: string | Request | URL, init?: RequestInit): Promise<Response> {
    return this.#during('request', async () => {
      if (!this.#web) throw new CorebusError('OPTION', 'app.request asks the web app, and none was given: testApp({ hono: app })')
      return this.#web.request(input, init)
    })
  }

  /**
   * Resolves when nothing can happen any more: everything is handled, also what follows from it, and what is retried later; the clock goes on to that.
   * @throws CorebusError TEST_NOT_SETTLED within a second of real time when that cannot come, saying what it waits for
   */
  settled(): Promise<void> {
    return this.#during('settled', () => this.#world.quiet.settled())
  }

  /** Lets time pass, with what is due until then and what follows from it. */
  advance(duration: Duration): Promise<void> {
    return this.#during('advance', () => this.#world.quiet.advance(msOf(duration)))
  }

  /** Returns what was published, by anyone, since the app began or was cleared: of an event, or to a topic. */
  published<Data = unknown>(of?: EventType<string, Data> | string): readonly (PublishedMessage & { readonly data: Data })[] {
    this.#calls.check('published')
    return this.#world.history.published(of as Of) as never
  }

  /** Returns what was handled well. */
  handled<Data = unknown>(
    of?: EventType<string, Data> | string,
    { group }: OfGroup = {},
  ): readonly (HandledMessage & { readonly data: Data })[] {
    this.#over('handled')
    return this.#world.history.handled(of as Of, group) as never
  }

  /** Returns what came to a group in which nobody handles it. */
  skipped(of?: EventType | string, { group }: OfGroup = {}): readonly SkippedMessage[] {
    this.#over('skipped')
    return this.#world.history.skipped(of, group)
  }

  /** Returns what was put off to be tried again: after a failure, or as `RetryLater` asked for. */
  retries(of?: EventType | string, { group }: OfGroup = {}): readonly RetriedMessage[] {
    this.#over('retries')
    return this.#world.history.retries(of, group)
  }

  /** Returns what is among the dead letters, with the error that each is there for. */
  deadLetters(of?: EventType | string, { group }: OfGroup = {}): readonly DeadMessage[] {
    this.#over('deadLetters')
    return this.#world.history.dead(of, group)
  }

  /** Hands all dead letters back to their groups, as `npx corebus dlq retry` does. Resolves with how many those were. */
  redrive(): Promise<number> {
    return this.#during('redrive', async () => replayDeadLetters((await this.messaging.driver()).admin, {}))
  }

  /** Makes a handler throw, or a method of an object that handlers use, so many times or until `clear` and `close`. */
  fail(what: Failing, error: unknown, { times = Number.POSITIVE_INFINITY }: { readonly times?: number } = {}): void {
    const handlers = this.#world.handlers()
    if (typeof what === 'string' && !handlers.some((handler) => isNamed(handler, what)))
      throw new CorebusError('OPTION', `app.fail: no handler is called ${JSON.stringify(what)}. There are ${handlers.join(', ') || 'none'}`)
    this.#world.failures.add(what, error, times)
  }

  /** Forgets what has happened, empties the dead letters and takes back what was to fail. What is on its way stays on it. */
  clear(): Promise<void> {
    return this.#during('clear', async () => {
      this.#world.failures.restore()
      await (await this.messaging.driver()).admin.purge({})
      this.#world.history.clear()
    })
  }

  /** Returns what has happened, in at most 30 lines. */
  timeline(): string {
    return this.#world.history.timeline.text()
  }

  /**
   * Closes the instance as a service does: what runs is waited for. Safe to call twice.
   * @throws CorebusError TEST_NOT_AWAITED for a call of the app that is not over
   */
  async close(): Promise<void> {
    try {
      this.#calls.check('close')
    } finally {
      await this.#world.close()
      this.#standIn.takenBy = undefined
      if (registry.testClock === this.clock) registry.testClock = undefined
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #during<T>(name: string, work: () => Promise<T>): Promise<T> {
    return this.#calls.during(name, async () => {
      if (this.#world.isClosed) throw new CorebusError('CLOSED', `app.${name}(): this app is closed. testApp() makes a new one`)
      return work()
    })
  }

  /** Throws while messages are on their way, since what has come of a message is known when it has. */
  #over(name: string): void {
    this.#calls.check(name)
    if (this.#world.dirty && !this.#world.isClosed)
      throw new CorebusError(
        'TEST_NOT_AWAITED',
        `app.${name}() asks what came of messages that are still on their way: await app.settled() before it`,
      )
  }
}

/**
 * Takes an instance over for a test and starts its handlers, on a broker in memory and a clock of its own. One app at a time has an instance; the next one
 * begins anew, with the same handlers.
 * @throws CorebusError TEST_APP_OPEN while another app has the instance; TEST_KIT_LATE for one that was made before this module was imported; what the
 * start of the instance throws
 */
export function testApp(options: TestAppOptions = {}): Promise<TestApp> {
  const app = made(options, callSite() ?? 'another place')
  for (const name of Object.getOwnPropertyNames(TestApp.prototype))
    if (name !== 'constructor') Object.defineProperty(app, name, { get: () => notAwaited(name) })
  return app
}

function notAwaited(name: string): never {
  throw new CorebusError('TEST_NOT_AWAITED', `app.${name} is asked of the promise of an app: write const app = await testApp()`)
}

async function made(
  { messaging, hono, now, seed, start, patienceMs, mostMessages, ...options }: TestAppOptions,
  where: string,
): Promise<TestApp> {
  const own = messaging === undefined && options.handlers !== undefined ? createMessaging(options) : messaging
  const standIn = kit.of(own as Messaging | undefined)
  if (standIn.takenBy !== undefined)
    throw new CorebusError(
      'TEST_APP_OPEN',
      `the app that testApp() made at ${standIn.takenBy} still has this instance: close it before the next one (await app.close(), or await using app = await testApp()), or share it and call app.clear() between tests`,
    )
  standIn.takenBy = where
  try {
    const said = own === messaging && Object.keys(options).length > 0 ? { options } : {}
    const world = await standIn.take({ ...said, now: now === undefined ? undefined : Number(now), seed })
    if (patienceMs !== undefined) world.quiet.patienceMs = patienceMs
    if (mostMessages !== undefined) world.quiet.mostMessages = mostMessages
    registry.testClock = world.clock
    await world.start(start)
    return new TestApp(standIn, world, hono)
  } catch (thrown) {
    standIn.takenBy = undefined
    throw thrown
  }
}

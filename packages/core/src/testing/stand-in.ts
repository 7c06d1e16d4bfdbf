import type { MessagingOptions } from '../config/messaging-options.ts'
import { CorebusError } from '../errors.ts'
import type { HandlerFunction, HandlerSpec } from '../handlers/handler.ts'
import { eventSpec, type FunctionOptions, type MessageFunction, type MessageHandlerOptions, messageSpec } from '../handlers/specs.ts'
import type { Registered } from '../instance/registrations.ts'
import { type Made, type Make, type Messaging, type OnOptions, ownerOf, standsFor } from '../messaging.ts'
import { callSite } from '../process/call-site.ts'
import type { Middleware } from '../publish/middleware.ts'
import { givenTo } from '../scope/given.ts'
import type { EventType } from '../wire/event-type.ts'
import { World } from './world.ts'

/** The options of a test, beside what the instance was made with. */
export interface Said {
  readonly options?: MessagingOptions
  readonly now?: number | undefined
  readonly seed?: number | undefined
}

/**
 * The object that code holds of an instance in a process under test: the same one through all lives of the instance, of which each app has one. Handlers and
 * middleware that are registered here belong to every life from then on.
 */
export class StandIn {
  readonly messaging: Messaging
  /** The line that made it. */
  readonly where: string | undefined = callSite()
  /** The line of the app that has it now. */
  takenBy: string | undefined
  readonly #options: MessagingOptions
  readonly #registered: Registered
  readonly #make: Make
  readonly #specs: HandlerSpec[] = []
  readonly #middleware: Middleware[] = []
  #world: World | undefined
  /** On the broker that its call names: what a test makes to look at a real one. */
  #real: Made | undefined

  /** @throws CorebusError CONFIG */
  constructor(options: MessagingOptions, registered: Registered, make: Make) {
    this.#options = options
    this.#registered = { ...registered, functions: () => [...registered.functions(), ...this.#specs] }
    this.#make = make
    if (!registered.ownsEvents && (options.broker !== undefined || options.driver !== undefined))
      this.#real = make(options, this.#registered)
    else this.#world = this.#begin({})
    this.messaging = this.#facade()
  }

  /** Its next life: the one that was begun when it was made, if that will do. */
  async take(said: Said): Promise<World> {
    const begun = this.#world
    const asItIs = begun && !begun.isClosed && Object.values(said).every((one) => one === undefined)
    if (asItIs) return begun
    if (begun && !begun.isClosed) await begun.close()
    this.#world = this.#begin(said)
    this.#real = undefined
    return this.#world
  }

  /** Goes to the broker that it is configured for. */
  async onItsOwn(): Promise<void> {
    if (this.#real) return
    if (this.#world && !this.#world.isClosed) await this.#world.close()
    this.#real = this.#make(this.#options, this.#registered)
    for (const one of this.#middleware) this.#real.messaging.use(one)
  }

  /** The instance that it stands for now. */
  get behind(): Messaging {
    return (this.#real ?? this.#world?.made)?.messaging as Messaging
  }

  #begin({ options, now, seed }: Said): World {
    const [registered, make, middleware] = [this.#registered, this.#make, this.#middleware]
    return new World({ options: { ...this.#options, ...options }, registered, make, middleware, now, seed })
  }

  #add(spec: HandlerSpec): void {
    if (this.#world && !this.#world.isClosed && this.#world.isStarted)
      throw new CorebusError('STARTED', `${spec.where} was registered after start: register every handler before`)
    this.#specs.push(spec)
  }

  #facade(): Messaging {
    const now = () => this.behind
    const messaging: Messaging = {
      get settings() {
        return now().settings
      },
      get logger() {
        return now().logger
      },
      get instance() {
        return now().instance
      },
      get counters() {
        return now().counters
      },
      on: (type: EventType | string, options: OnOptions, handler: unknown) => this.#add(eventSpec(type, options, handler)),
      handle: (options: MessageHandlerOptions<unknown> & FunctionOptions, handler: MessageFunction<never, never>) =>
        this.#add(messageSpec(options, handler as unknown as HandlerFunction)),
      use: (middleware) => {
        now().use(middleware)
        this.#middleware.push(middleware)
      },
      start: (options) => (this.#real ? now().start(options) : (this.#world as World).start(options)),
      close: () => (this.#real ? now().close() : (this.#world as World).close()),
      health: () => now().health(),
      check: (routes) => now().check(routes),
      begin: () => now().begin(),
      session: (work) => now().session(work),
      driver: () => now().driver(),
      openRequest: (options) => now().openRequest(options),
      resolve: (type) => now().resolve(type),
      emit: (type: EventType | string, data: unknown, options?: object) => now().emit(type as string, data, options),
      publishEvent: (type: EventType | string, data: unknown, options?: object) => now().publishEvent(type as string, data, options),
      cancel: (id, options) => now().cancel(id, options),
      getProducer: () => ({
        send: (topic, message, options) => now().getProducer().send(topic, message, options),
        sendAll: (topic, messages) => now().getProducer().sendAll(topic, messages),
      }),
    }
    return standsFor(messaging, { owner: () => ownerOf(now()), given: () => givenTo(now()) })
  }
}

import type { Logger } from 'pino'
import { handlerSpecs, startsByItself } from '../decorators/registered.ts'
import { CorebusError } from '../errors.ts'
import type { HandlerSpec } from '../handlers/handler.ts'
import { awaitsStart, endsWaiting, noHandlers, waitingElsewhere } from '../handlers/unstarted.ts'
import { type Class, registry } from '../process/registry.ts'

/** What an instance runs besides what is registered on it. Asked at start: what is registered until then counts. */
export interface Registered {
  classes(): Iterable<Class>
  functions(): readonly HandlerSpec[]
  /** The methods under `@event` are its own, so it checks them at start. */
  readonly ownsEvents: boolean
}

/** The handlers of one instance, and whether somebody is to be told that nothing starts them. */
export class Registrations {
  readonly #registered: Registered
  readonly #logger: Logger
  readonly #own: HandlerSpec[] = []
  /** By which its handlers are known while they wait for a start: those of the default instance are in the registry before there is one. */
  readonly #key: object

  constructor(registered: Registered, handlers: readonly Class[], logger: Logger) {
    this.#registered = registered
    this.#logger = logger
    this.#key = registered.ownsEvents ? registry : this.#own
    for (const type of handlers.filter(startsByItself)) awaitsStart(type, { owner: this.#key, where: `@consumer ${type.name}`, logger })
  }

  /** @throws CorebusError STARTED */
  add(spec: HandlerSpec, started: boolean): void {
    if (started) throw new CorebusError('STARTED', `${spec.where} was registered after start: register every handler before`)
    this.#own.push(spec)
    if (spec.autoStart) awaitsStart(spec, { owner: this.#key, where: spec.where, logger: this.#logger })
  }

  /** @throws CorebusError NO_HANDLERS */
  all({ mayBeNone = false }: { readonly mayBeNone?: boolean } = {}): readonly HandlerSpec[] {
    const { classes, functions, ownsEvents } = this.#registered
    const specs = handlerSpecs([...new Set(classes())], [...functions(), ...this.#own])
    if (specs.length === 0 && !mayBeNone) throw noHandlers(waitingElsewhere(this.#key), ownsEvents)
    return specs
  }

  /** They run, or never will. */
  endWaiting(): void {
    endsWaiting(this.#key)
  }
}

import type { Logger } from 'pino'
import type { Delivery, Driver, Message, Properties, Raw } from '../driver.ts'
import type { HandlerContext, HandlerSpec } from '../handlers/handler.ts'
import type { Guard } from '../scope/forbidden.ts'
import { Part } from '../scope/part.ts'
import type { EventOptions, Owner, Producer, PublishEventOptions, Publishing } from '../scope/publishing.ts'
import { type Outlet, publishConfirmed, runInScope, type Scope } from '../scope/scope.ts'
import { opensIn, type Session, type Sessions } from '../scope/session.ts'
import type { EventType } from '../wire/event-type.ts'
import { HEADER } from '../wire/headers.ts'
import { ownBytes, rawOf } from './received.ts'

/** The runtime's view of one delivery, from being handed out until it is settled. */
export interface Call extends Guard {
  readonly delivery: Delivery
  readonly message: Message
  readonly attempt: number
  readonly signal: AbortSignal
  readonly aborted: boolean
  /** How long its handler kept the event loop from turning, where that was longer than it may take; else 0. */
  readonly blockedMs: number
  /** It waits for its session: a connection of a pool, its turn on a file. */
  waiting: boolean
  /** Its session is open: its time begins. @throws Forbidden when it is over before that */
  begins(): void
}

/** The session that the whole handler stands in. */
export interface Opened {
  readonly db: unknown
}

/** What there is to a message beside what the group knows. */
export interface Handled {
  readonly opened: Opened | undefined
  readonly event: string | undefined
  readonly spec: HandlerSpec
  readonly id: string
  /** Asks the inbox in the part that the handler opens. */
  readonly askInbox?: ((db: unknown) => Promise<void>) | undefined
}

export interface ContextOptions {
  readonly group: string
  readonly session: Session<unknown> | Sessions<unknown> | undefined
  readonly logger: Logger
  readonly owner: Owner
  readonly outlet: Outlet
  /** The driver is asked for what only the broker has of a message. */
  readonly driver?: Pick<Driver, 'raw'> | undefined
}

/** What most handlers do not ask for is made when it is asked for. Each may be taken out of the context and called by itself. */
export class Context implements HandlerContext {
  readonly attempt: number
  readonly topic: string
  readonly key: string | undefined
  readonly id: string
  readonly headers: Message['headers']
  readonly group: string
  readonly #call: Call
  readonly #event: string | undefined
  readonly #parent: Logger
  readonly #scope: Scope
  readonly #owner: Owner
  readonly #outlet: Outlet
  readonly #askInbox: ((db: unknown) => Promise<void>) | undefined
  readonly #opened: Opened | undefined
  readonly #spec: HandlerSpec
  readonly #session: ContextOptions['session']
  readonly #driver: ContextOptions['driver']
  #raw: Raw | undefined
  #part: Part | undefined
  #logger: Logger | undefined

  constructor(
    call: Call,
    scope: Scope,
    { group, logger, owner, outlet, session, driver }: ContextOptions,
    { opened, event, spec, id, askInbox }: Handled,
  ) {
    const { topic, key, headers } = call.message
    this.attempt = call.attempt
    this.topic = topic
    this.key = key
    this.id = id
    this.headers = headers
    this.group = group
    this.#call = call
    this.#event = event
    this.#parent = logger
    this.#scope = scope
    this.#owner = owner
    this.#outlet = outlet
    this.#askInbox = askInbox
    this.#opened = opened
    this.#spec = spec
    this.#session = session
    this.#driver = driver
  }

  get #received(): Raw {
    this.#raw ??= rawOf(this.#driver, this.#call.delivery)
    return this.#raw
  }

  get rawKey(): Uint8Array | undefined {
    const { key } = this.#received
    return key && ownBytes(key)
  }

  get rawBody(): Uint8Array {
    return ownBytes(this.#call.message.body)
  }

  get properties(): Properties | undefined {
    return this.#received.properties
  }

  get routingKey(): string | undefined {
    return this.#received.routingKey
  }

  get db(): unknown {
    return this.#opened ? this.#opened.db : this.#partOf().db
  }

  /** What the part records is written into the outbox, or leaves with its commit, confirmed: it has happened, also when the handler fails after it. */
  get session(): HandlerContext['session'] {
    const part = this.#partOf()
    return (work) => runInScope(this.#scope, () => part.run(work, publishConfirmed))
  }

  #partOf(): Part {
    const { where, session: mode = true } = this.#spec
    const [askInbox, opens] = [this.#askInbox, opensIn(mode, this.#session)]
    this.#part ??= new Part({ scope: this.#scope, where, mode, opens, outlet: this.#outlet, ...(askInbox && { askInbox }) })
    return this.#part
  }

  get emit(): Publishing['emit'] {
    const [scope, { emit }] = [this.#scope, this.#owner]
    return (type: EventType | string, data: unknown, options?: EventOptions) => runInScope(scope, emit, type as string, data, options)
  }

  get publishEvent(): Publishing['publishEvent'] {
    const [scope, { publishEvent }] = [this.#scope, this.#owner]
    return (type: EventType | string, data: unknown, options?: PublishEventOptions) =>
      runInScope(scope, publishEvent, type as string, data, options)
  }

  get send(): Producer['send'] {
    const [scope, { send }] = [this.#scope, this.#owner.getProducer()]
    return (topic, message, options) => runInScope(scope, send, topic, message, options)
  }

  get signal(): AbortSignal {
    return this.#call.signal
  }

  get logger(): Logger {
    const { topic, key, id, attempt, group } = this
    this.#logger ??= this.#parent.child({
      topic,
      group,
      id,
      attempt,
      key,
      event: this.#event,
      correlationId: this.headers[HEADER.correlation],
    })
    return this.#logger
  }
}

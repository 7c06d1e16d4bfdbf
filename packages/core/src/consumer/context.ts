import type { Logger } from 'pino'
import type { Message } from '../driver.ts'
import type { HandlerContext } from '../handlers/handler.ts'
import type { EventOptions, Producer, Publishing } from '../scope/publishing.ts'
import { runInScope, type Scope } from '../scope/scope.ts'
import type { EventType } from '../wire/event-type.ts'
import { HEADER } from '../wire/headers.ts'

/** The runtime's view of one delivery, from being handed out until it is settled. */
export interface Call {
  readonly message: Message
  readonly attempt: number
  readonly signal: AbortSignal
  readonly aborted: boolean
  /** Why its work must not be committed, once there is a reason. */
  forbidden(): 'timed out' | 'lost' | undefined
}

export interface ContextOptions {
  readonly group: string
  readonly logger: Logger
  readonly owner: Publishing
}

/** What most handlers do not ask for is made when it is asked for. Each may be taken out of the context and called by itself. */
export class Context implements HandlerContext {
  readonly db: unknown
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
  readonly #owner: Publishing
  #logger: Logger | undefined

  constructor(
    call: Call,
    scope: Scope,
    { group, logger, owner }: ContextOptions,
    { db, event }: { db: unknown; event: string | undefined },
  ) {
    const { topic, key, id, headers } = call.message
    this.db = db
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
  }

  get emit(): Publishing['emit'] {
    const [scope, { emit }] = [this.#scope, this.#owner]
    return (type: EventType | string, data: unknown, options?: EventOptions) => runInScope(scope, emit, type as string, data, options)
  }

  get publishEvent(): Publishing['publishEvent'] {
    const [scope, { publishEvent }] = [this.#scope, this.#owner]
    return (type: EventType | string, data: unknown, options?: EventOptions) =>
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

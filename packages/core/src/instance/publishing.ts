import { CorebusError } from '../errors.ts'
import { eventMessage, type OutgoingDefaults } from '../publish/message.ts'
import type { EventOptions, Producer, Publishing } from '../scope/publishing.ts'
import { currentScope, nextIdIn, type Outlet, type Recorded, record } from '../scope/scope.ts'
import type { EventType } from '../wire/event-type.ts'

export interface PublishingOptions {
  readonly outlet: Outlet
  readonly defaults: OutgoingDefaults
  readonly producer: Producer
}

/** How code publishes on one instance: `emit`, `publishEvent` and `getProducer`. */
export function publishingOn({ outlet, defaults, producer }: PublishingOptions): Publishing {
  const recorded = (type: EventType | string, data: unknown, options: EventOptions): Recorded => {
    const scope = currentScope()
    const id = (options as EventOptions | null)?.id ?? (scope && nextIdIn(scope)) // plain JavaScript may give null
    const message = eventMessage(type, data, id === undefined ? options : { ...options, id }, defaults)
    return { message, event: typeof type === 'string' ? type : type.name, outlet }
  }
  return {
    emit: (type: EventType | string, data: unknown, options: EventOptions = {}) => {
      if (outlet.hasOutbox) mustHaveSession('emit')
      record(recorded(type, data, options))
    },
    publishEvent: async (type: EventType | string, data: unknown, options: EventOptions = {}) => {
      if (outlet.hasOutbox) {
        mustHaveSession('publishEvent')
        record(recorded(type, data, options))
      } else await outlet.publish([recorded(type, data, options)])
    },
    getProducer: () => producer,
  }
}

/** @throws CorebusError NO_SESSION where an outbox has no transaction to be written in */
function mustHaveSession(what: string): void {
  const session = currentScope()?.session
  if (session === 'write') return
  const why =
    session === 'read'
      ? ', and the one here only reads: say session: true'
      : ': call it where one is open: in a handler or a request that does not say session: false'
  throw new CorebusError('NO_SESSION', `${what} with an outbox needs an open session to be written in${why}`)
}

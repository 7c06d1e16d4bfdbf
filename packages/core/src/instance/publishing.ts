import { CorebusError } from '../errors.ts'
import { checkOptions } from '../options/check.ts'
import { eventMessage, type OutgoingDefaults } from '../publish/message.ts'
import type { OutboxMessage } from '../scope/companion.ts'
import { CANCEL, type CancelOptions, type EventOptions, type Owner, type Producer, type PublishEventOptions } from '../scope/publishing.ts'
import { currentScope, nextIdIn, type Open, type Outlet, type Recorded, record, type Scope, scopeOwnedBy } from '../scope/scope.ts'
import { NO_OUTBOX } from '../scope/session.ts'
import type { EventType } from '../wire/event-type.ts'

export interface PublishingOptions {
  readonly outlet: Outlet
  readonly defaults: OutgoingDefaults
  readonly producer: Producer
  readonly session: Owner['session']
  /** Begins what works beside handlers and requests. */
  readonly begin: () => void
}

/** How code publishes on one instance: `emit`, `publishEvent`, `cancel` and `getProducer`. */
export function publishingOn({ outlet, defaults, producer, session, begin }: PublishingOptions): Owner {
  const { outbox } = outlet
  const around = (): Scope | undefined => scopeOwnedBy(owner) ?? currentScope()
  /** The session of this instance that the outbox is written in. */
  const openIn = (scope: Scope | undefined): Open | undefined =>
    scope?.owner === owner && scope.open && !scope.open.reads ? scope.open : undefined

  const recorded = (
    scope: Scope | undefined,
    type: EventType | string,
    data: unknown,
    options: PublishEventOptions,
    afterwards = false,
  ): Recorded => {
    const id = (options as EventOptions | null)?.id ?? (scope && nextIdIn(scope)) // plain JavaScript may give null
    const message = eventMessage(type, data, id === undefined ? options : { ...options, id }, defaults)
    const due = dueOf(message.event, options)
    if (due && !outbox) throw needsOutbox('delayMs and at are kept by an outbox until they are due')
    if (due) begin()
    return { message, event: typeof type === 'string' ? type : type.name, outlet, ...(due && { due }), ...(afterwards && { afterwards }) }
  }

  /** @throws CorebusError where the event would leave without the transaction that it needs */
  const checkPlace = (what: string, scope: Scope | undefined): void => {
    if (outbox?.required && !openIn(scope)) throw noSession(what, scope)
  }

  const mayRecord = (scope: Scope | undefined): void => {
    if (outbox || !scope?.open?.marked) return
    const error = needsOutbox(
      'what this handler records would be lost in a crash after the commit, because the inbox keeps its message from being handled again',
    )
    scope.open.broken ??= { cause: error }
    throw error
  }

  const owner: Owner = {
    session,
    emit: (type: EventType | string, data: unknown, options: EventOptions = {}) => {
      const scope = around()
      const one = recorded(scope, type, data, options)
      if (Object.hasOwn(options, 'tx'))
        throw new CorebusError('OPTION', 'emit does not wait, so it cannot write into { tx }: await publishEvent(type, data, { tx })')
      checkPlace('emit', scope)
      mayRecord(scope)
      record(one, scope)
    },
    emitReturned: (type, data, options, wanted) => {
      const scope = around()
      const one = recorded(scope, type, data, options, wanted === false)
      if (wanted === true && !outbox) throw needsOutbox('outbox: true asks for one')
      if (wanted === true && !openIn(scope)) throw noSession('outbox: true', scope)
      if (wanted === undefined) checkPlace('the event', scope)
      if (wanted !== false) mayRecord(scope)
      record(one, scope)
    },
    publishEvent: async (type: EventType | string, data: unknown, options: PublishEventOptions = {}) => {
      const scope = around()
      const one = recorded(scope, type, data, options)
      if (Object.hasOwn(options, 'tx')) return writeInto(options.tx, one)
      checkPlace('publishEvent', scope)
      if (outbox && openIn(scope)) record(one, scope)
      else if (one.due) await outlet.write(undefined, [one])
      else await outlet.publish([one])
    },
    cancel: async (id: string, options: CancelOptions = {}) => {
      checkOptions('cancel', options, CANCEL)
      if (typeof id !== 'string' || id === '')
        throw new CorebusError('OPTION', 'cancel wants the id of a delayed event: publishEvent(type, data, { delayMs, id })')
      if (!outbox?.cancel) throw needsOutbox('cancel takes back what an outbox keeps')
      if (Object.hasOwn(options, 'tx')) {
        mustBeGiven(options.tx)
        return outbox.cancel(options.tx, id)
      }
      const scope = around()
      const open = openIn(scope)
      if (open && scope && forget(scope, id)) return true
      return outbox.cancel(open?.db, id)
    },
    getProducer: () => producer,
  }

  async function writeInto(tx: unknown, one: Recorded): Promise<void> {
    mustBeGiven(tx)
    if (!outbox) throw needsOutbox('{ tx } is the transaction that an outbox is written in')
    begin()
    await outlet.write(tx, [one])
  }
  return owner
}

/** A transaction that got lost on its way here would be an event without one, in silence. */
function mustBeGiven(tx: unknown): void {
  if (tx === undefined) throw new CorebusError('OPTION', 'tx must be a transaction, not undefined: leave it out where there is none')
}

/** Takes a delayed event out of what waits to be written. False when it is not there. */
function forget({ part, recorded }: Scope, id: string): boolean {
  const waiting = part ?? recorded
  const at = waiting.findIndex(({ message, due }) => due !== undefined && message.id === id)
  if (at >= 0) waiting.splice(at, 1)
  return at >= 0
}

function dueOf(event: string | undefined, { delayMs, at }: EventOptions): OutboxMessage['due'] {
  if (delayMs === undefined && at === undefined) return undefined
  if (delayMs !== undefined && at !== undefined)
    throw new CorebusError('OPTION', `event ${event}: delayMs and at say the same in two ways: give one of them`)
  return delayMs !== undefined ? { afterMs: delayMs } : { at: Number(at) }
}

const needsOutbox = (why: string): CorebusError => new CorebusError('OUTBOX_MISSING', `${why}, ${NO_OUTBOX}`)

function noSession(what: string, scope: Scope | undefined): CorebusError {
  const why = scope?.open?.reads
    ? ', and the one here only reads: say session: true'
    : ': call it where one is open: in session(work), or in a handler or request that does not say session: false'
  return new CorebusError('NO_SESSION', `${what} with this outbox needs an open session to be written in${why}`)
}

import type { MessagingOptions } from './config/messaging-options.ts'
import type { StartOptions } from './consumer/start-options.ts'
import { onEventReturned } from './decorators/event.ts'
import { recordFunction } from './decorators/record.ts'
import { CorebusError } from './errors.ts'
import type { HandlerFunction, HandlerSpec } from './handlers/handler.ts'
import type { FunctionOptions, MessageFunction, MessageHandlerOptions } from './handlers/specs.ts'
import { eventSpec, messageSpec } from './handlers/specs.ts'
import { createInstance, type DbOf, type Messaging, type OnOptions, ownerOf, type Types } from './messaging.ts'
import { util } from './process/built-in.ts'
import { callSite } from './process/call-site.ts'
import { registry } from './process/registry.ts'
import type { Middleware } from './publish/middleware.ts'
import type { CancelOptions, EventOptions, Owner, PublishEventOptions, Publishing } from './scope/publishing.ts'
import { currentScope } from './scope/scope.ts'
import type { EventType } from './wire/event-type.ts'

/** The default instance, and how it came to be: the exported functions and every decorated class belong to it. */
interface Default {
  readonly messaging: Messaging
  readonly options: MessagingOptions<never> | undefined
  /** The line that made it. */
  readonly where: string
}

const existing = (): Default | undefined => registry.messaging as Default | undefined

/**
 * Makes the default instance. Call it once, before the first use.
 * @throws CorebusError CONFIG with every mistake at once; CONFIGURED when the first use came before it, or when it was called with other options.
 */
export function configureMessaging<T extends Types = Types, Db = DbOf<T>>(
  options: MessagingOptions<Db> = {},
): Messaging<T & { readonly db: Db }> {
  const before = existing()
  const where = callSite()
  if (before?.options && sameOptions(before.options, options)) return before.messaging as Messaging<T & { readonly db: Db }>
  if (before)
    throw new CorebusError(
      'CONFIGURED',
      before.options
        ? `configureMessaging was called before with other options, at ${before.where}${where === before.where ? ', which was evaluated twice (hot reload, a test runner that resets modules, an import with a query)' : ''}. Call it once, or use createMessaging for a second instance`
        : `configureMessaging comes after the first use of messaging, at ${before.where}, which read the environment. Call it before`,
    )
  return makeDefault<T & { readonly db: Db }>(options as MessagingOptions<never>, options as MessagingOptions<never>)
}

/** The configured instance; without `configureMessaging` the first use makes one from the environment. */
export function defaultMessaging(): Messaging {
  return existing()?.messaging ?? makeDefault<Types>({}, undefined)
}

function makeDefault<T extends Types>(options: MessagingOptions<never>, given: MessagingOptions<never> | undefined): Messaging<T> {
  const messaging = createInstance<T>(options as never, {
    classes: () => options.handlers ?? [...registry.classes.keys()].filter((type) => !registry.elsewhere.has(type)),
    functions: () => {
      registry.started = true
      return registry.functions as readonly HandlerSpec[]
    },
    ownsEvents: true,
  })
  registry.messaging = {
    messaging: messaging as unknown as Messaging,
    options: given,
    where: callSite() ?? 'an unknown place',
  } satisfies Default
  return messaging
}

function sameOptions(a: object, b: object): boolean {
  const [left, right] = [a, b] as [Record<string, unknown>, Record<string, unknown>]
  const names = new Set([...Object.keys(left), ...Object.keys(right)])
  return [...names].every((name) => util().isDeepStrictEqual(left[name], right[name]))
}

// biome-ignore lint/suspicious/noExplicitAny: what its session gives is not known here, so the handler says what it takes
type Unknown = Messaging<{ db: any }>

/** `messaging.on` of the default instance: registers only, so it may come before `configureMessaging`. */
export const on: Unknown['on'] = (type: EventType | string, options: OnOptions, handler: unknown): void => {
  recordFunction(eventSpec(type, options, handler))
}

/** `messaging.handle` of the default instance: registers only. */
export const handle: Unknown['handle'] = (
  options: MessageHandlerOptions<unknown> & FunctionOptions,
  handler: MessageFunction<never>,
): void => {
  recordFunction(messageSpec(options, handler as HandlerFunction))
}

/** Who publishes what is published here: inside of a handler, a request or a session the instance that runs it, outside of any the default one. */
const publishing = (): Pick<Owner, 'session'> & Publishing => currentScope()?.owner ?? (defaultMessaging() as Messaging<{ db: unknown }>)

export const emit: Publishing['emit'] = (type: EventType | string, data: unknown, options?: EventOptions): void =>
  publishing().emit(type as string, data, options)

export const publishEvent: Publishing['publishEvent'] = (
  type: EventType | string,
  data: unknown,
  options?: PublishEventOptions,
): Promise<void> => publishing().publishEvent(type as string, data, options)

/** Takes a delayed event back, as `messaging.cancel` of the instance that runs the code does. */
export const cancel: Publishing['cancel'] = (id: string, options?: CancelOptions): Promise<boolean> => publishing().cancel(id, options)

/** `messaging.session` of the instance that runs the code, outside of any handler or request of the default one. */
export const session: Unknown['session'] = (work) => publishing().session(work)

export const getProducer: Publishing['getProducer'] = () => publishing().getProducer()

// Bound late: importing a decorator makes no instance.
onEventReturned((...returned) => {
  const owner = currentScope()?.owner ?? ownerOf(defaultMessaging())
  owner.emitReturned(...returned)
})

export function use(middleware: Middleware): void {
  defaultMessaging().use(middleware)
}

export function start(options?: StartOptions): Promise<void> {
  return defaultMessaging().start(options)
}

/** Closes the default instance, if there is one. */
export async function close(): Promise<void> {
  await existing()?.messaging.close()
}

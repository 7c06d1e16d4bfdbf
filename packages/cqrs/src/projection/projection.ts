import { CorebusError, type EventOf, type EventType, type FunctionOptions, type HandlerContext, type OnEventOptions } from '@corebus/core'
import { callable, checkOptions, must, type Option, text, whole } from '@corebus/core/internal'
import type { Writes } from '../documents/access.ts'
import type { Collection } from '../documents/collection.ts'

// biome-ignore lint/suspicious/noExplicitAny: any collection, whatever its documents
export type Collections = Readonly<Record<string, Collection<any>>>

/** The type of the documents of a collection. */
export type DocumentOf<C> = C extends Collection<infer T> ? T : never

export type WritesOf<C extends Collections> = { readonly [Name in keyof C]: Writes<DocumentOf<C[Name]>> }

/** The context that a projection's handler gets beside its event. What it does beside its documents is done again with each rebuild: ask `replay`. */
export interface ProjectionContext<C extends Collections = Collections> {
  /** The collections of the projection: while it is rebuilt, those that are being filled. */
  readonly docs: WritesOf<C>
  /** The event comes from the journal, because the projection is rebuilt. */
  readonly replay: boolean
  readonly topic: string
  readonly key: string | undefined
  readonly id: string
  /** Leads to what the event came of, such as a request, also while the projection is rebuilt. The event's own id where nothing is known of that. */
  readonly correlationId: string
  readonly headers: HandlerContext['headers']
  readonly logger: HandlerContext['logger']
  /** Aborts when the handler is to stop. */
  readonly signal: AbortSignal
}

export interface ProjectionOptions<Events extends readonly EventType[], C extends Collections> {
  /** The events that it is made from. */
  readonly events: Events
  /** Its documents. No other projection may have a collection of the same name. */
  readonly collections: C
  /** Grows when `handle` makes other documents than before: `npx corebus projections list` says then that it has to be rebuilt. Default 1. */
  readonly version?: number
  /** Its consumer group. Default: the projection's name. */
  readonly group?: string
  /** Options of its handlers: `concurrency`, `maxRetries`, `topic` and the others that `on` takes. */
  readonly on?: Omit<OnEventOptions & FunctionOptions, 'group' | 'session'>
  /** Puts an event into documents. Events may come in any order, and more than once. */
  handle(event: EventOf<Events[number]>, context: ProjectionContext<C>): unknown
}

/** A read model as its code describes it, made by `projection`. */
export interface Projection<C extends Collections = Collections> {
  readonly name: string
  readonly events: readonly EventType[]
  readonly collections: C
  readonly version: number
  readonly group: string
  readonly on: Omit<OnEventOptions & FunctionOptions, 'group' | 'session'>
  readonly handle: (event: never, context: never) => unknown
}

const NAME = /^[a-z][a-z0-9_-]{0,47}$/
const COLLECTION_NAME = /^[a-z][a-z0-9_]{0,39}$/

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

export const PROJECTION: Readonly<Record<keyof ProjectionOptions<readonly EventType[], Collections>, Option>> = {
  events: {
    default: 'none: they must be given',
    must: must('an array of what defineEvent returns', (value) => Array.isArray(value) && value.length > 0 && value.every(isEvent)),
    text: 'what it is made from. Each is handled in its consumer group, and kept in the journal',
  },
  collections: {
    default: 'none: they must be given',
    must: must(
      'an object of what collection() returns, by names of at most 40 small letters, digits and _',
      (value) => isObject(value) && Object.entries(value).every(([name, one]) => COLLECTION_NAME.test(name) && isObject(one?.shape)),
    ),
    text: 'its documents, by the names of their collections. No other projection of the database may have one of the same name',
  },
  version: {
    default: 1,
    must: whole(1, 1_000_000),
    text: 'grows when `handle` makes other documents than before. Until it is rebuilt, `npx corebus projections list` says so',
  },
  group: { default: "the projection's name", must: text, text: 'its consumer group' },
  on: {
    default: 'those of the app',
    must: must('an object of options of `on`', (value) => isObject(value) && !('session' in value) && !('group' in value)),
    text: 'options of its handlers: `concurrency`, `maxRetries`, `topic` and the others that `on` takes',
  },
  handle: {
    default: 'none: it must be given',
    must: callable,
    text: '`(event, { docs, replay, topic, key, id, headers, logger, signal }) => ...`: puts an event into documents. Events may come in any order, and more than once',
  },
}

function isEvent(value: unknown): boolean {
  return isObject(value) && 'decode' in value && 'name' in value && typeof value.name === 'string'
}

/**
 * Describes a read model: documents that are made from events, and can be made anew from them. `projections(messaging, [...])` runs it.
 * @throws CorebusError OPTION, PROJECTION
 * @example
 * const orders = projection('orders', {
 *   events: [OrderCreated, OrderPaid],
 *   collections: { orders: collection<OrderView>({ fields: { user_id: 'number' }, required: ['user_id'] }) },
 *   async handle(event, { docs }) {
 *     switch (event.name) {
 *       case 'order.created':
 *         return docs.orders.merge(event.data.id, { user_id: event.data.user_id, status: 'PENDING' }, { revision: 1 })
 *       case 'order.paid':
 *         return docs.orders.merge(event.data.id, { status: 'PAID' }, { revision: 2 })
 *     }
 *   },
 * })
 */
// biome-ignore lint/suspicious/noExplicitAny: an event of any data; its type is inferred
export function projection<const Events extends readonly EventType<any, any>[], C extends Collections>(
  name: string,
  options: ProjectionOptions<Events, C>,
): Projection<C> {
  if (typeof name !== 'string' || !NAME.test(name))
    throw new CorebusError('PROJECTION', `a projection is named ${JSON.stringify(name)}: use at most 48 small letters, digits, - and _`)
  checkOptions(`projection ${name}`, options, PROJECTION)
  const { events, collections, version = 1, group = name, on = {}, handle } = options
  if (!events || !collections || !handle) throw new CorebusError('PROJECTION', `projection ${name} needs events, collections and handle`)
  const names = events.map((event) => event.name)
  const twice = names.find((one, n) => names.indexOf(one) !== n)
  if (twice !== undefined) throw new CorebusError('PROJECTION', `projection ${name} lists the event ${twice} twice`)
  return { name, events, collections, version, group, on, handle: (event, context) => handle(event, context) }
}

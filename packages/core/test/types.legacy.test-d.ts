import { z } from 'zod'
import { consumer, onEvent } from '../src/decorators/consumer.ts'
import { event } from '../src/decorators/event.ts'
import { traced } from '../src/decorators/fixtures/traced.ts'
import { messageHandler } from '../src/decorators/message-handler.ts'
import { configureMessaging, handle, on } from '../src/default.ts'
import type { HandlerContext } from '../src/handlers/handler.ts'
import { createMessaging, type Messaging } from '../src/messaging.ts'
import { defineEvent, type EventOf } from '../src/wire/event-type.ts'

// Compiled by `tsc -b` in both modes of decorators, never run: every @ts-expect-error is an error that must be there, everything else must not be.

const UserCreated = defineEvent('user.created', z.object({ id: z.number(), email: z.string() }), { topic: 'user-events', key: 'id' })
type UserCreated = EventOf<typeof UserCreated>
const PaymentDone = defineEvent('payment.done', z.object({ orderId: z.string() }))
type PaymentDone = EventOf<typeof PaymentDone>
const Charge = z.object({ amount: z.number() })

interface Tx {
  insert(row: object): Promise<void>
}
/** What Hono's c.json returns. */
interface TypedResponse<T, Status extends number = 200> extends Response {
  readonly _data: T
  readonly _status: Status
}

@consumer('fits', { topics: ['user-events'], concurrency: 2, maxRetries: 3 })
export class Fits {
  @onEvent(UserCreated)
  whole({ data, name, timestamp, source }: UserCreated, { db, attempt }: HandlerContext<Tx>) {
    return db.insert({ id: data.id satisfies number, name: name satisfies 'user.created', timestamp, source, attempt })
  }

  @onEvent(UserCreated, { maxRetries: 1, retryDelayMs: 10 })
  async fewer({ data }: { data: { id: number } }) {
    return data.id
  }

  @traced
  @onEvent(UserCreated)
  @traced
  none() {}

  @onEvent(UserCreated)
  // biome-ignore lint/suspicious/noExplicitAny: what users write
  any(event: any, { logger }: HandlerContext) {
    logger.info(event)
  }

  @onEvent(UserCreated)
  optional({ data }: { data: { id: number; nickname?: string } }) {
    return data.nickname
  }

  @onEvent('by.name')
  byName({ data }: { data: { anything: boolean } }) {
    return data.anything
  }

  @messageHandler({ topic: 'payments', schema: Charge, maxRetries: 3, retryDelayMs: 5_000 })
  async charge(message: z.infer<typeof Charge>, { db }: HandlerContext<Tx>) {
    await db.insert(message)
  }

  @onEvent('of.others', { from: { exchange: 'shop.orders', bind: 'order.*' } })
  ofOthers({ data }: { data: unknown }, { rawKey, properties, routingKey }: HandlerContext) {
    return [data, rawKey?.byteLength, properties?.replyTo, routingKey?.length]
  }

  @messageHandler({
    topic: 'c',
    schema: Charge,
    from: { queue: 'shop.billing', start: 'latest' },
    decode: async (_, __, { key }) => key?.byteLength,
  })
  later(message: z.infer<typeof Charge>) {
    return message.amount
  }

  @messageHandler({ topic: ['a', 'b'], decode: 'bytes' })
  raw(message: Uint8Array) {
    return message.byteLength
  }

  @event(UserCreated)
  async data() {
    return { id: 1, email: '' }
  }

  @event(UserCreated, { keyField: 'email' })
  more() {
    return { id: 1, email: '', more: true }
  }

  @traced
  @event(UserCreated)
  async response(failed: boolean): Promise<TypedResponse<{ id: number; email: string }, 201> | TypedResponse<{ error: string }, 400>> {
    throw failed
  }

  @event('by.name', { topic: 't', keyField: 'id', includeResult: false })
  async anything() {
    return new Response()
  }
}

export class DoesNotFit {
  // @ts-expect-error another event's handler
  @onEvent(UserCreated)
  anotherEvent(_: PaymentDone) {}

  // @ts-expect-error a field the event lacks
  @onEvent(UserCreated)
  lacks({ data }: { data: { id: number; phone: string } }) {
    return data.phone
  }

  // @ts-expect-error a field of another type
  @onEvent(UserCreated)
  otherType({ data }: { data: { id: string } }) {
    return data.id
  }

  @traced
  // @ts-expect-error under another decorator
  @onEvent(UserCreated)
  under(_: PaymentDone) {}

  // @ts-expect-error above another decorator
  @onEvent(UserCreated)
  @traced
  above(_: PaymentDone) {}

  // @ts-expect-error three parameters: nobody gives the third
  @onEvent(UserCreated)
  three(_: UserCreated, __: HandlerContext, ___: string) {}

  // @ts-expect-error no option of a handler
  @onEvent(UserCreated, { concurrency: 3 })
  option() {}

  // @ts-expect-error a message of another shape
  @messageHandler({ topic: 't', schema: Charge })
  message(_: { amount: string }) {}

  // @ts-expect-error a handler needs a topic
  @messageHandler({ schema: Charge })
  topic() {}

  // @ts-expect-error a field is missing
  @event(UserCreated)
  missing() {
    return { id: 1 }
  }

  // @ts-expect-error a field of another type
  @event(UserCreated)
  async wrong() {
    return { id: '1', email: '' }
  }

  @traced
  // @ts-expect-error it may return nothing
  @event(UserCreated)
  async maybe(): Promise<{ id: number; email: string } | undefined> {
    return undefined
  }

  // @ts-expect-error a response whose body nobody knows
  @event(UserCreated)
  @traced
  async untyped() {
    return new Response()
  }

  // @ts-expect-error a response with another body
  @event(UserCreated)
  async otherBody(): Promise<TypedResponse<{ id: number }, 201>> {
    throw new Error()
  }

  // @ts-expect-error an error's body with a status of success
  @event(UserCreated)
  async otherStatus(): Promise<TypedResponse<{ error: string }, 200>> {
    throw new Error()
  }

  // @ts-expect-error a key the data lacks
  @event(UserCreated, { keyField: 'phone' })
  key() {
    return { id: 1, email: '' }
  }
}

// @ts-expect-error a key the schema lacks
defineEvent('x', Charge, { key: 'currency' })

export function functions(): void {
  const messaging = createMessaging<{ db: Tx }>({ session: (work) => work({ insert: async () => undefined }) })

  messaging.on(UserCreated, { group: 'g', concurrency: 1 }, ({ data }, { db }) => db.insert({ id: data.id satisfies number }))
  messaging.on('by.name', {}, ({ data }) => data satisfies unknown)
  messaging.handle({ topic: 't', schema: Charge }, ({ amount }, { db }) => db.insert({ amount: amount satisfies number }))
  messaging.handle({ topic: 't' }, (message: { anything: boolean }) => message.anything)
  messageHandler({ topic: 't' }, (message: { anything: boolean }) => message.anything)
  messaging.emit(UserCreated, { id: 1, email: '' }, { key: 1, headers: { a: 'b' } })
  messaging.emit('by.name', 1, { topic: 't' })
  void messaging.publishEvent(UserCreated, { id: 1, email: '' })
  void messaging.publishEvent(UserCreated, { id: 1, email: '' }, { tx: {}, delayMs: 1 })
  messaging.emit(UserCreated, { id: 1, email: '' }, { at: new Date() })
  void messaging.session(async (db) => db.insert({ id: 1 })).then((inserted) => inserted satisfies unknown)
  void messaging.cancel('id').then((cancelled) => cancelled satisfies boolean)
  messaging.on(UserCreated, { inboxKey: ({ data }: UserCreated) => data.email }, () => undefined)
  messaging.handle({ topic: 't', schema: Charge, inboxKey: ({ amount }) => String(amount satisfies number) }, () => undefined)
  messaging.handle({ topic: 't', inboxKey: (message: { id: string }, { topic }) => topic + message.id }, () => undefined)

  // @ts-expect-error a field the event lacks
  messaging.on(UserCreated, {}, ({ data }) => data.phone)
  // @ts-expect-error a handler of another event
  messaging.on(UserCreated, {}, (_: PaymentDone) => undefined)
  // @ts-expect-error emit does not wait, so it writes into no transaction of the user's
  messaging.emit(UserCreated, { id: 1, email: '' }, { tx: {} })
  // @ts-expect-error a key of an inbox is text
  messaging.on(UserCreated, { inboxKey: () => 1 }, () => undefined)
  // @ts-expect-error what the session does not give
  void messaging.session(async (db) => db.query())
  // @ts-expect-error what the session does not give
  messaging.on(UserCreated, {}, (_, { db }) => db.query())
  // @ts-expect-error a message of another shape
  messaging.handle({ topic: 't', schema: Charge }, (_: { amount: string }) => undefined)
  // @ts-expect-error the same as an exported function
  messageHandler({ topic: 't', schema: Charge }, (_: { amount: string }) => undefined)
  // @ts-expect-error a field is missing
  messaging.emit(UserCreated, { id: 1 })
  // @ts-expect-error a field of another type
  void messaging.publishEvent(UserCreated, { id: '1', email: '' })
  // @ts-expect-error a field that would be stripped
  messaging.emit(UserCreated, { id: 1, email: '', passwordHash: '' })
  // @ts-expect-error a key is text or a number
  messaging.emit(UserCreated, { id: 1, email: '' }, { key: {} })
  // @ts-expect-error a session that gives something else
  createMessaging<{ db: Tx }>({ session: (work) => work('tx') })
  // @ts-expect-error a broker that does not exist
  createMessaging({ broker: 'nats' })
}

/** The error stands where the mistake is: each marker is on the line of the payload, of the context, of the option. */
export function places(supplier: URL): void {
  const messaging = createMessaging()
  messaging.emit(
    UserCreated,
    // @ts-expect-error the payload, and not the type before it
    { id: 'one', email: '' },
  )
  void messaging.publishEvent(
    UserCreated,
    // @ts-expect-error the same
    { id: 'one', email: '' },
  )
  messaging.on(
    UserCreated,
    {},
    // @ts-expect-error the handler, and not the type
    (_: PaymentDone) => undefined,
  )

  class Bookings {
    readonly supplier: URL
    constructor(at: URL) {
      this.supplier = at
    }
  }
  createMessaging({ resolve: (C) => (C === Bookings ? new Bookings(supplier) : new C()) })
  createMessaging({ resolve: async (C) => new C(supplier) })
  createMessaging({ resolve: <T extends object>(type: new (...args: never[]) => T) => new (type as new () => T)() })
  // @ts-expect-error no instance
  createMessaging({ resolve: () => 'Bookings' })
}

/** What the session gives is known without saying it. */
export function sessions(tx: Tx): void {
  const session = async <T>(work: (db: Tx) => Promise<T>): Promise<T> => work(tx)
  for (const messaging of [createMessaging({ session }), configureMessaging({ session: { write: session, read: session } })]) {
    messaging.on(UserCreated, {}, (_, { db }) => db.insert({}))
    messaging.on(UserCreated, {}, (_, { db }: HandlerContext<Tx>) => db.insert({}))
    // @ts-expect-error the session gives something else
    messaging.on(UserCreated, {}, (_, { db }: HandlerContext<string>) => db.length)
    // @ts-expect-error the same
    messaging.handle({ topic: 't' }, (_, { db }: HandlerContext<string>) => db.length)
  }
  // Of the default instance nothing is known here: the handler says what it takes.
  on(UserCreated, {}, (_, { db }: HandlerContext<Tx>) => db.insert({}))
  handle({ topic: 't' }, (_, { db }: HandlerContext<Tx>) => db.insert({}))
  messageHandler({ topic: 't' }, (_, { db }: HandlerContext<Tx>) => db.insert({}))
  messageHandler({ topic: 't', schema: Charge }, ({ amount }, { db }: HandlerContext<Tx>) => db.insert({ amount }))
}

/** What others have: where messages come from and go to, and how events travel. */
export function others({ handle, getProducer }: Messaging): void {
  handle({ topic: 't', from: { stream: 'shop:orders' } }, () => undefined)
  // @ts-expect-error no source is a list
  handle({ topic: 't', from: ['shop:orders'] }, () => undefined)
  // @ts-expect-error a queue begins where it begins, or at its end
  handle({ topic: 't', from: { queue: 'q', start: 'middle' } }, () => undefined)
  void getProducer().send('t', 1, {
    exchange: 'shop',
    routingKey: 'a',
    properties: { priority: 1 },
    fields: ({ body }) => ({ payload: body }),
  })
  // @ts-expect-error a field is text or bytes
  void getProducer().send('t', 1, { fields: () => ({ n: 1 }) })
  const Placed = defineEvent('order.placed', z.object({ id: z.number() }), {
    topic: 'shop',
    in: ({ json }) => ({ name: 'order.placed', data: json() }),
  })
  on(Placed, {}, ({ data }) => data.id.toFixed())
  // @ts-expect-error an event has data
  defineEvent('order.placed', z.object({}), { in: () => ({ name: 'order.placed' }) })
  createMessaging({
    names: { orders: { redis: 'shop:orders' } },
    topology: { topics: { shop: { unclaimed: false, in: () => undefined } } },
  })
  // @ts-expect-error there is no such broker
  createMessaging({ names: { orders: { kafak: 'x' } } })
}

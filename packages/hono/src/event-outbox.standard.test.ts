import { event, type OutboxMessage, type Sessions } from '@corebus/core'
import { type Context, Hono } from 'hono'
import { expect, test } from 'vitest'
import { type ActionContext, action } from './action.ts'
import { freshMessaging, hear } from './fixtures/broker.ts'
import { NewOrder, type Order, orders } from './fixtures/orders.ts'
import { ModelViewSet, type PerformContext } from './model-view-set.ts'
import { mount } from './mount.ts'
import { ViewSet } from './view-set.ts'

const TOPIC = { topic: 'user-events' }

function app({ outbox = true, twin = true } = {}) {
  const log: string[] = []
  const write = async <T>(work: (db: string) => Promise<T>): Promise<T> => {
    const result = await work('tx')
    log.push('commit')
    return result
  }
  const read = <T>(work: (db: string) => Promise<T>): Promise<T> => work('reads')
  const session: Sessions<string> | typeof write = twin ? { write, read } : write
  const messaging = freshMessaging<string>({
    session,
    ...(outbox && {
      outbox: {
        write: async (_: unknown, messages: readonly OutboxMessage[]) =>
          void log.push(`write ${messages.map(({ message }) => message.event)}`),
      },
    }),
  })
  return { messaging, log, hono: new Hono() }
}

class Users extends ViewSet {
  @action({ method: 'POST', path: 'default' })
  @event('by default', TOPIC)
  byDefault() {
    return { id: 1 }
  }

  @action({ method: 'POST' })
  @event('written', { ...TOPIC, outbox: true })
  written() {
    return { id: 1 }
  }

  @action({ method: 'POST' })
  @event('afterwards', { ...TOPIC, outbox: false })
  afterwards() {
    return { id: 1 }
  }

  @action({ method: 'POST' })
  @event('failed', { ...TOPIC, outbox: true })
  failed(c: Context) {
    return c.json({ id: 1 }, 409)
  }
}

test('what a method under @event returns is written in the transaction of the request, unless it says outbox: false', async () => {
  const { messaging, log, hono } = app()
  mount(hono, '/users', Users, { messaging })
  const heard = await hear(messaging, 'user-events')
  for (const path of ['default', 'written', 'afterwards', 'failed']) await hono.request(`/users/${path}`, { method: 'POST' })
  await heard.atLeast(1)
  await messaging.close()
  expect(log).toEqual(['write by default', 'commit', 'write written', 'commit', 'commit'])
  expect(heard.events.map(({ name }) => name)).toEqual(['afterwards'])
})

test('outbox: true without an outbox is an error of mount', () => {
  const { messaging, hono } = app({ outbox: false })
  expect(() => mount(hono, '/users', Users, { messaging })).toThrow(
    expect.objectContaining({
      code: 'OUTBOX_MISSING',
      message: expect.stringMatching(/^@action Users\.written publishes with outbox: true/),
    }),
  )
})

class Reads extends ViewSet {
  @action()
  @event('read', { ...TOPIC, outbox: true })
  get() {
    return { id: 1 }
  }
}

class Apart extends ViewSet {
  @action({ method: 'POST', session: 'manual' })
  @event('paid', { ...TOPIC, outbox: true })
  pay(_: Context, { session }: ActionContext<string>) {
    return session(async () => ({ id: 1 }))
  }
}

test('outbox: true in a route without a session that writes is an error of mount; a GET without a reading twin has one', async () => {
  const { messaging, hono } = app()
  for (const [type, mode] of [
    [Reads, 'read'],
    [Apart, 'manual'],
  ] as const)
    expect(() => mount(hono, '/a', type, { messaging })).toThrow(
      expect.objectContaining({ code: 'SESSION_MODE', message: expect.stringMatching(new RegExp(`its request has session: "${mode}"`)) }),
    )
  const without = app({ twin: false })
  mount(without.hono, '/a', Reads, { messaging: without.messaging })
  await without.hono.request('/a/get')
  expect(without.log).toEqual(['write read', 'commit'])
})

test('outbox: true where no session is open is an error of the call, and so is an outbox: true that the instance cannot have', async () => {
  const { messaging } = app()
  const request = messaging.openRequest({ session: false })
  await expect(request.run(async () => new Reads().get())).rejects.toMatchObject({ code: 'NO_SESSION' })
  request.discard()
  const without = app({ outbox: false }).messaging
  expect(() => without.check()).toThrow(/^@event .*: outbox: true, and no outbox is configured/)
  const other = without.openRequest()
  await expect(other.run(async () => new Reads().get())).rejects.toMatchObject({ code: 'OUTBOX_MISSING' })
  other.discard()
})

class Orders extends ModelViewSet<Order, NewOrder, string> {
  static override readonly only = ['create']
  readonly repository = orders
  override readonly schema = NewOrder

  @event('order.created', { ...TOPIC, outbox: true })
  override performCreate(data: NewOrder, context: PerformContext<string>) {
    return super.performCreate(data, context)
  }
}

test('outbox: true on a hook of a ModelViewSet without an outbox is an error of mount too', () => {
  const { messaging, hono } = app({ outbox: false })
  expect(() => mount(hono, '/orders', Orders, { messaging })).toThrow(
    expect.objectContaining({
      code: 'OUTBOX_MISSING',
      message: expect.stringMatching(/^@action Orders\.create publishes with outbox: true/),
    }),
  )
})

test('mount begins what works beside requests', () => {
  const log: string[] = []
  const schedules = { attach: () => ({ begin: () => void log.push('begin'), close: async () => undefined }) }
  const messaging = freshMessaging({ schedules, session: (work) => work('tx' as never) })
  class Plain extends ViewSet {
    @action()
    get() {
      return {}
    }
  }
  mount(new Hono(), '/', Plain, { messaging })
  expect(log).toEqual(['begin'])
})

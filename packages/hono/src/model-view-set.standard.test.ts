import type { DatabaseSync } from 'node:sqlite'
import { emit, event } from '@corebus/core'
import { type Context, Hono } from 'hono'
import { describe, expect, test } from 'vitest'
import { type ActionContext, action } from './action.ts'
import { allHeard } from './fixtures/broker.ts'
import { caller, freshShop, NewOrder, type Order, OrderCreated, OrderDeleted, OrderUpdated, orders, TOPIC } from './fixtures/orders.ts'
import { ModelViewSet, type PerformContext } from './model-view-set.ts'
import { mount } from './mount.ts'
import { requestScope } from './request-scope.ts'

// Compiled with standard decorators; model-view-set.legacy.test.ts is the same with experimentalDecorators.

class OrderViewSet extends ModelViewSet<Order, NewOrder, DatabaseSync> {
  readonly repository = orders
  override readonly schema = NewOrder
  override readonly filters = ['code', 'paid']
  override readonly sorts = ['total', 'note']

  @event(OrderCreated)
  override async performCreate(data: NewOrder, context: PerformContext<DatabaseSync>) {
    const order = await super.performCreate({ ...data, total: data.total + 1 }, context)
    if (context.c.req.query('then') === 'throw') throw new Error('after the insert')
    return order
  }

  @event(OrderUpdated)
  override performUpdate(id: string, changes: Partial<NewOrder>, context: PerformContext<DatabaseSync>) {
    return super.performUpdate(id, changes, context)
  }

  @event(OrderDeleted)
  override performDestroy(id: string, context: PerformContext<DatabaseSync>) {
    return super.performDestroy(id, context)
  }

  @action({ method: 'POST', detail: true })
  async pay(c: Context, { db, id }: ActionContext<DatabaseSync>) {
    const paid = await this.repository.update(db, id, { paid: true })
    return paid ?? c.json({ error: 'no such order' }, 404)
  }

  @action({ method: 'POST' })
  twice(_: Context, { db }: ActionContext<DatabaseSync>) {
    return this.repository.insert(db, { code: 'A1', total: 1 })
  }
}

async function shop(type: typeof OrderViewSet = OrderViewSet, around = false) {
  const { messaging, ...more } = await freshShop()
  const app = new Hono()
  app.onError((error, c) => c.json({ thrown: error.message }, 500))
  if (around) app.use(requestScope(messaging))
  mount(app, '/orders', type, { messaging })
  return { messaging, ...more, call: caller(app, '/orders') }
}

const A1 = { id: 1, code: 'A1', total: 3, note: 'none given', paid: false }

describe('with standard decorators', () => {
  test('create answers 201 with Location and publishes what performCreate returns, which may call super with more than was sent', async () => {
    const { call, heard, count } = await shop()
    const { status, body, headers } = await call('POST', '', { code: 'A1', total: 2, card: '4111' })
    expect([status, body, headers.get('location')]).toEqual([201, A1, '/orders/1'])
    await heard.atLeast(1)
    expect(heard.events).toMatchObject([{ name: 'order.created', data: { id: 1, code: 'A1', total: 3 } }])
    expect([heard.messages[0]?.key, count()]).toEqual(['1', 1])
  })

  test('update, partialUpdate and destroy publish the row, and answer 200 and 204', async () => {
    const { call, heard, count } = await shop()
    await call('POST', '', { code: 'A1', total: 2 })
    expect(await call('PUT', '/1', { code: 'B1', total: 5 })).toMatchObject({ status: 200, body: { ...A1, code: 'B1', total: 5 } })
    expect(await call('PATCH', '/1', { total: 6 })).toMatchObject({ status: 200, body: { code: 'B1', total: 6 } })
    const { status, body } = await call('DELETE', '/1')
    expect([status, body, count()]).toEqual([204, '', 0])
    await heard.atLeast(4)
    expect(heard.events.map(({ name, data }) => [name, data])).toEqual([
      ['order.created', { id: 1, code: 'A1', total: 3 }],
      ['order.updated', { id: 1, code: 'B1', total: 5 }],
      ['order.updated', { id: 1, code: 'B1', total: 6 }],
      ['order.deleted', { id: 1 }],
    ])
  })

  test('a change has no defaults of the schema: what was not sent stays', async () => {
    const { call } = await shop()
    await call('POST', '', { code: 'A1', total: 2, note: 'ring twice' })
    expect((await call('PATCH', '/1', { total: 6 })).body).toMatchObject({ note: 'ring twice', total: 6 })
    expect((await call('PATCH', '/1', { note: null })).body).toMatchObject({ note: null })
    expect((await call('PATCH', '/1', {})).body).toMatchObject({ note: null, total: 6 })
  })

  test.each(['GET', 'PUT', 'PATCH', 'DELETE'])('%s of a row that is not there is 404, and publishes nothing', async (method) => {
    const { call, heard, messaging } = await shop()
    const body = method === 'PUT' || method === 'PATCH' ? { code: 'A1', total: 2 } : undefined
    expect(await call(method, '/77', body)).toMatchObject({ status: 404, body: { error: 'there is nothing here with the id "77"' } })
    expect(await allHeard(messaging, heard, TOPIC)).toEqual([])
  })

  test.each([false, true])('a throw after the insert rolls it back and publishes nothing (requestScope around: %j)', async (around) => {
    const { call, heard, messaging, count } = await shop(OrderViewSet, around)
    expect(await call('POST', '?then=throw', { code: 'A1', total: 2 })).toMatchObject({ status: 500, body: { thrown: 'after the insert' } })
    expect([await allHeard(messaging, heard, TOPIC), count()]).toEqual([[], 0])
  })

  test.each([false, true])('what must be unique is 409, also in an action of its own (requestScope around: %j)', async (around) => {
    const { call, heard, messaging, count } = await shop(OrderViewSet, around)
    await call('POST', '', { code: 'A1', total: 2 })
    await call('POST', '', { code: 'B1', total: 2 })
    const error = 'there is one already with a value that must be unique'
    for (const [method, path, body] of [
      ['POST', '', { code: 'A1', total: 9 }],
      ['PUT', '/2', { code: 'A1', total: 9 }],
      ['PATCH', '/2', { code: 'A1' }],
      ['POST', '/twice', undefined],
    ] as const)
      expect([path, await call(method, path, body)]).toMatchObject([path, { status: 409, body: { error } }])
    expect([await allHeard(messaging, heard, TOPIC), count()]).toEqual([['order.created', 'order.created'], 2])
  })

  test('a row that others need is 409, and a value that the database refuses 422', async () => {
    const { call, database } = await shop()
    await call('POST', '', { code: 'A1', total: 2 })
    database.exec('INSERT INTO parcels (order_id) VALUES (1)')
    expect(await call('DELETE', '/1')).toMatchObject({ status: 409, body: { error: expect.stringContaining('refers') } })
    expect(await call('POST', '', { code: 'B1', total: 1e9 })).toMatchObject({
      status: 422,
      body: { error: expect.stringContaining('values') },
    })
  })

  test('what the commit finds is answered too: a foreign key that is looked at late', async () => {
    const { database, call } = await shop()
    await call('POST', '', { code: 'A1', total: 2 })
    database.exec('CREATE TABLE labels (order_id INTEGER REFERENCES orders DEFERRABLE INITIALLY DEFERRED); INSERT INTO labels VALUES (1)')
    expect(await call('DELETE', '/1')).toMatchObject({ status: 409 })
    expect(await call('GET', '/1')).toMatchObject({ status: 200 })
  })

  test('a list has filters, an order and pages', async () => {
    const { call } = await shop()
    for (const n of [1, 2, 3, 4, 5]) await call('POST', '', { code: `A${n}`, total: n % 2, note: n === 3 ? null : 'n' })
    await call('POST', '/2/pay')
    const ids = async (query: string) => (await call('GET', query)).body.items.map(({ id }: Order) => id)
    expect(await ids('')).toEqual([1, 2, 3, 4, 5])
    expect(await ids('?paid=true')).toEqual([2])
    expect(await ids('?code=A1&code=A4&paid=false')).toEqual([1, 4])
    expect(await ids('?sort=-id')).toEqual([5, 4, 3, 2, 1])
    expect(await ids('?sort=note,-total')).toEqual([3, 5, 1, 4, 2])
    const first = (await call('GET', '?sort=-total&limit=2')).body
    const second = (await call('GET', `?sort=-total&limit=2&cursor=${first.next}`)).body
    const third = (await call('GET', `?sort=-total&limit=2&cursor=${second.next}`)).body
    expect([first, second, third].map(({ items }) => items.map(({ id }: Order) => id))).toEqual([[5, 3], [1, 4], [2]])
    expect(third.next).toBeNull()
  })

  test('a secret column is written and never answered', async () => {
    const { call, database } = await shop()
    const { body } = await call('POST', '', { code: 'A1', total: 2, card: '4111' })
    expect(database.prepare('SELECT card FROM orders').get()).toEqual({ card: '4111' })
    for (const answer of [body, (await call('GET', '/1')).body, (await call('GET', '')).body])
      expect(JSON.stringify(answer)).not.toContain('4111')
  })

  test('only names the inherited actions that are routes; what a class decorates itself is one', async () => {
    class Catalog extends OrderViewSet {
      static override readonly only = ['list', 'retrieve', 'pay']

      @action()
      own() {
        return { own: true }
      }
    }
    class Special extends Catalog {
      @action()
      special() {
        return { special: true }
      }
    }
    const { call } = await shop(Special)
    const statuses = []
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '/1'],
      ['GET', '/own'],
      ['GET', '/special'],
      ['POST', '/1/pay'],
      ['POST', ''],
      ['PUT', '/1'],
      ['PATCH', '/1'],
      ['DELETE', '/1'],
      ['POST', '/twice'],
    ] as const)
      statuses.push((await call(method, path, method === 'GET' ? undefined : { code: 'A1', total: 2 })).status)
    expect(statuses).toEqual([200, 404, 200, 200, 404, 404, 404, 404, 404, 404])
  })

  test('emit in a hook, and a hook that answers by itself', async () => {
    class Careful extends OrderViewSet {
      override async performCreate(data: NewOrder, context: PerformContext<DatabaseSync>): Promise<never> {
        const order = await this.repository.insert(context.db, data)
        emit('order.considered', { id: order.id }, { topic: TOPIC })
        return context.c.json({ error: 'not today' }, 403) as never
      }
    }
    const { call, heard, messaging, count } = await shop(Careful)
    expect(await call('POST', '', { code: 'A1', total: 2 })).toMatchObject({ status: 403, body: { error: 'not today' } })
    expect([await allHeard(messaging, heard, TOPIC), count()]).toEqual([[], 0])
  })
})

import '@ecommerce/platform/in-memory'
import { survives, type TestApp, testApp } from '@corebus/core/testing'
import {
  OrderCanceled,
  OrderCreated,
  OrderPaid,
  ProductCreated,
  ProductUpdated,
  StockReserved,
  UserCreated,
  UserUpdated,
} from '@ecommerce/contracts'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import '../consumer.ts'
import { findOrder, listOrders } from '../query/orders.ts'
import { findProduct } from '../query/products.ts'
import { findUser } from '../query/users.ts'

const at = (second: number): string => new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString()
const ana = { id: 1, name: 'Ana', email: 'ana@exemplo.com', version: 1, created_at: at(0) }
const renamed = { id: 1, name: 'Ana Maria', email: 'ana@exemplo.com', version: 2, updated_at: at(9) }
const tea = { id: 5, name: 'Tea', price: 450, stock: 3, version: 1, created_at: at(0) }
const created = (id: number) => ({ id, user_id: 1, items: [{ product_id: 5, quantity: 2 }], created_at: at(1) })
const reserved = (id: number) => ({
  order_id: id,
  items: [{ product_id: 5, name: 'Tea', price: 450, quantity: 2 }],
  total: 900,
  reserved_at: at(2),
})
const paid = (id: number) => ({ id, user_id: 1, total: 900, paid_at: at(3) })
const canceled = (id: number, reason: 'user' | 'out_of_stock') => ({ id, reason, canceled_at: at(reason === 'user' ? 3 : 4) })
let orders = 0

describe('the read model', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await testApp()
    await app.publish(UserCreated, ana)
    await app.publish(ProductCreated, tea)
    await app.settled()
  })
  afterAll(() => app.close())

  test('an order that is not reserved yet has no prices, and the names that its products have now', async () => {
    const id = ++orders
    await app.publish(OrderCreated, created(id))
    await app.settled()
    expect(await findOrder(id)).toEqual({
      id,
      status: 'PENDING',
      reason: null,
      total: null,
      user: { id: 1, name: 'Ana', email: 'ana@exemplo.com' },
      items: [{ product_id: 5, name: 'Tea', price: null, quantity: 2 }],
      created_at: at(1),
      updated_at: at(1),
    })
  })

  test('the events of an order come in any order, and end in the same document', async () => {
    const steps = [
      (id: number) => app.publish(OrderCreated, created(id)),
      (id: number) => app.publish(StockReserved, reserved(id)),
      (id: number) => app.publish(OrderPaid, paid(id)),
    ] as const
    const seen = []
    for (const ways of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 2, 0],
      [1, 0, 2],
    ] as const) {
      const id = ++orders
      for (const step of ways) await steps[step](id)
      await app.settled()
      const found = await findOrder(id)
      seen.push({ ...found, id: 0 })
    }
    for (const one of seen) expect(one).toEqual(seen[0])
    expect(seen[0]).toMatchObject({ status: 'PAID', total: 9, updated_at: at(3), items: [{ name: 'Tea', price: 4.5, quantity: 2 }] })
  })

  test.each([
    ['before', ['out_of_stock', 'user'] as const],
    ['after', ['user', 'out_of_stock'] as const],
  ])('of two reasons to cancel out_of_stock stays, when it comes %s the other', async (_, reasons) => {
    const id = ++orders
    await app.publish(OrderCreated, created(id))
    for (const reason of reasons) await app.publish(OrderCanceled, canceled(id, reason))
    await app.settled()
    expect(await findOrder(id)).toMatchObject({ status: 'CANCELED', reason: 'out_of_stock', updated_at: at(4) })
  })

  test('an order whose beginning is not here yet is shown to nobody', async () => {
    const id = ++orders
    await app.publish(OrderPaid, paid(id))
    await app.settled()
    expect(await findOrder(id)).toBeUndefined()
    expect((await listOrders({ limit: 100 })).items.map((order) => order.id)).not.toContain(id)
  })

  test('a user who changes is changed in every order; a change that comes late changes nothing', async () => {
    await app.publish(UserUpdated, renamed)
    await app.publish(UserUpdated, { ...renamed, name: 'Old', version: 1 })
    await app.publish(ProductUpdated, { id: 5, name: 'Tea', price: 500, stock: 1, version: 3, updated_at: at(8) })
    await app.publish(ProductUpdated, { id: 5, name: 'Tea', price: 400, stock: 2, version: 2, updated_at: at(7) })
    await app.settled()
    const names = (await listOrders({ limit: 100 })).items.map(({ user }) => user.name)
    expect(new Set(names)).toEqual(new Set(['Ana Maria']))
    expect(await findUser(1)).toEqual({ id: 1, name: 'Ana Maria', email: 'ana@exemplo.com', created_at: at(0), updated_at: at(9) })
    expect(await findProduct(5)).toMatchObject({ price: 5, stock: 1, created_at: at(0), updated_at: at(8) })
  })
})

describe.each([
  ['with the inbox', {}],
  ['without the inbox', { inbox: undefined }],
])('the projection is safe to repeat, %s:', (_, options) => {
  let app: TestApp
  beforeAll(async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    app = await testApp(options)
  })
  afterAll(async () => {
    await app.close()
    vi.useRealTimers()
  })

  test.each([
    ['user.created', UserCreated, () => ({ ...ana, id: ++orders })],
    ['user.updated', UserUpdated, () => ({ ...renamed, version: 10 + ++orders })],
    ['product.created', ProductCreated, () => ({ ...tea, id: ++orders })],
    ['product.updated', ProductUpdated, () => ({ id: 5, name: 'Tea', price: 1, stock: 1, version: 10 + ++orders, updated_at: at(9) })],
    ['order.created', OrderCreated, () => created(++orders)],
    ['stock.reserved', StockReserved, () => reserved(++orders)],
    ['order.paid', OrderPaid, () => paid(++orders)],
    ['order.canceled', OrderCanceled, () => canceled(++orders, 'user')],
  ] as const)('%s', async (name, type, data) => {
    // The document holds a correlation id, which is another one for each message; the tests above compare the rest of it.
    const ignore = name === 'order.created' ? ['orders__1._doc'] : []
    expect(await survives(app, type as typeof UserCreated, data() as never, { ignore })).toEqual([])
  })
})

import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { randomOf } from '../two-apis/kills/random.ts'
import { becomes } from './demo/client.ts'
import { bootSystem, type System } from './demo/system.ts'
import { embedded } from './fixtures/folder.ts'
import { type Shop, shop } from './fixtures/shop.ts'

const SEEDS = [1, 2, 3]
const AT_ONCE = 6
const EXPIRES_AFTER_MS = 6_000
const PATIENCE_MS = 60_000

const times = <T>(make: (at: number) => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: AT_ONCE }, (_, at) => make(at)))

/** Who comes first is a matter of chance, and the seed says how late the second begins. */
describe.each(SEEDS)('two who want the same, seed %i', (seed) => {
  const random = randomOf(seed)
  let system: System
  let remove: () => Promise<void>
  let on: Shop
  let userId: number
  let folder: string

  beforeAll(async () => {
    const place = await embedded({ ORDER_EXPIRES_AFTER: `${EXPIRES_AFTER_MS}ms` })
    remove = place.remove
    folder = place.folder
    system = await bootSystem({ env: place.env })
    on = shop(system)
    userId = await on.user()
  }, PATIENCE_MS)
  afterAll(async () => {
    await system?.stop()
    await remove?.()
  })

  const path = (orderId: number): string => `/api/v1/orders/${orderId}`
  const isFinal = (orderId: number, wanted: Record<string, unknown>) => becomes(on.ask, path(orderId), wanted, PATIENCE_MS)
  const stockIs = (productId: number, stock: number) => becomes(on.ask, `/api/v1/products/${productId}`, { stock }, PATIENCE_MS)
  const reservationOf = (orderId: number): unknown => {
    const db = new DatabaseSync(join(folder, 'product-service.db'), { readOnly: true, timeout: 5_000 })
    try {
      return db.prepare('SELECT status FROM reservations WHERE order_id = ?').get(orderId)?.status
    } finally {
      db.close()
    }
  }
  const later = async <T>(work: () => Promise<T>): Promise<T> => {
    await sleep(random() * 30)
    return work()
  }

  it('two orders for the last piece: one has it', { timeout: 2 * PATIENCE_MS }, async () => {
    await times(async () => {
      const productId = await on.product(1)
      const orders = await Promise.all([on.order(userId, [productId, 1]), later(() => on.order(userId, [productId, 1]))])
      const payments = await Promise.all(orders.map((orderId) => on.ask('POST', `${path(orderId)}/pay`)))
      const [paid, refused] = payments[0]?.status === 204 ? orders : orders.toReversed()
      expect(payments.map(({ status }) => status).toSorted()).toEqual([204, 409])
      await isFinal(paid ?? 0, { status: 'PAID' })
      await isFinal(refused ?? 0, { status: 'CANCELED', reason: 'out_of_stock' })
      await stockIs(productId, 0)
    })
  })

  it('a payment and a cancellation at once: one is done, and the other hears so', { timeout: 2 * PATIENCE_MS }, async () => {
    await times(async () => {
      const productId = await on.product(1)
      const orderId = await on.order(userId, [productId, 1])
      await isFinal(orderId, { status: 'RESERVED' })
      const asked = [() => on.ask('POST', `${path(orderId)}/pay`), () => later(() => on.ask('POST', `${path(orderId)}/cancel`))]
      const [pay, cancel] = await Promise.all(asked.map((ask) => ask()))
      const isPaid = pay?.status === 204
      expect([pay?.status, cancel?.status]).toEqual(isPaid ? [204, 409] : [409, 204])
      expect((isPaid ? cancel : pay)?.body.error.code).toBe(isPaid ? 'already_paid' : 'already_canceled')
      await isFinal(orderId, isPaid ? { status: 'PAID', reason: null } : { status: 'CANCELED', reason: 'user' })
      await stockIs(productId, isPaid ? 0 : 1)
    })
  })

  it('a cancellation before, while or after the stock is reserved gives all of it back', { timeout: 2 * PATIENCE_MS }, async () => {
    await times(async (at) => {
      const productId = await on.product(3)
      const orderId = await on.order(userId, [productId, 3])
      await sleep(at * random() * 60)
      expect(await on.ask('POST', `${path(orderId)}/cancel`)).toMatchObject({ status: 204 })
      await isFinal(orderId, { status: 'CANCELED', reason: 'user' })
      // Once it is released, whether something had been reserved before or not, nothing will be.
      await expect.poll(() => reservationOf(orderId), { timeout: PATIENCE_MS }).toBe('released')
      await stockIs(productId, 3)
    })
  })

  it('a payment when the time is over: it is paid, or it is expired', { timeout: 2 * PATIENCE_MS }, async () => {
    await times(async () => {
      const productId = await on.product(1)
      const orderId = await on.order(userId, [productId, 1])
      await isFinal(orderId, { status: 'RESERVED' })
      await sleep(EXPIRES_AFTER_MS - 200 + random() * 400)
      const { status } = await on.ask('POST', `${path(orderId)}/pay`)
      const isPaid = status === 204
      await isFinal(orderId, isPaid ? { status: 'PAID' } : { status: 'CANCELED', reason: 'expired' })
      await stockIs(productId, isPaid ? 0 : 1)
    })
  })

  it('nothing went to the dead letters, and all end with code 0', { timeout: PATIENCE_MS }, async () => {
    const { output } = await system.core('order-service', 'dlq', 'list', '--json')
    expect(JSON.parse(output)).toEqual({ letters: [] })
    expect(await system.stop()).toEqual([])
  })
})

import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { randomOf } from '../two-apis/kills/random.ts'
import { type Answer, becomes } from './demo/client.ts'
import { type Booted, booted, PATIENCE_MS } from './fixtures/booted.ts'
import { reservationOf } from './fixtures/rows.ts'

/** The seed says how late the second of two begins. */
const SEEDS = [1, 2, 3]
const AT_ONCE = 6
const EXPIRES_AFTER_MS = 3_000
const LIMIT = { timeout: 3 * PATIENCE_MS }

const times = <T>(make: (at: number) => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: AT_ONCE }, (_, at) => make(at)))
const path = (orderId: number): string => `/api/v1/orders/${orderId}`
const is = ({ on }: Booted, orderId: number, wanted: Record<string, unknown>) => becomes(on.ask, path(orderId), wanted, PATIENCE_MS)
const stockIs = ({ on }: Booted, id: number, stock: number) => becomes(on.ask, `/api/v1/products/${id}`, { stock }, PATIENCE_MS)

/** Asks again while the stock is not reserved: on a busy machine that takes its time. */
async function pay({ on }: Booted, orderId: number): Promise<Answer> {
  for (;;) {
    const answer = await on.ask('POST', `${path(orderId)}/pay`)
    if (answer.body?.error.code !== 'not_reserved') return answer
  }
}

async function later<T>(random: () => number, work: () => Promise<T>): Promise<T> {
  await sleep(random() * 30)
  return work()
}

describe('two who want the same', () => {
  const system = booted()

  it.each(SEEDS)('two orders for the last piece: one has it (seed %i)', LIMIT, async (seed) => {
    const [at, random] = [system(), randomOf(seed)]
    const userId = await at.on.user()
    await times(async () => {
      const productId = await at.on.product(1)
      const place = () => at.on.order(userId, [productId, 1])
      const orders = await Promise.all([place(), later(random, place)])
      const payments = await Promise.all(orders.map((orderId) => pay(at, orderId)))
      expect(payments.map(({ status }) => status).toSorted()).toEqual([204, 409])
      const [paid = 0, refused = 0] = payments[0]?.status === 204 ? orders : orders.toReversed()
      await is(at, paid, { status: 'PAID' })
      await is(at, refused, { status: 'CANCELED', reason: 'out_of_stock' })
      await stockIs(at, productId, 0)
    })
  })

  it.each(SEEDS)('a payment and a cancellation at once: one is done, and the other hears so (seed %i)', LIMIT, async (seed) => {
    const [at, random] = [system(), randomOf(seed)]
    const userId = await at.on.user()
    await times(async () => {
      const productId = await at.on.product(1)
      const orderId = await at.on.order(userId, [productId, 1])
      await is(at, orderId, { status: 'RESERVED' })
      const cancel = () => at.on.ask('POST', `${path(orderId)}/cancel`)
      const [paid, canceled] = await Promise.all([pay(at, orderId), later(random, cancel)])
      const isPaid = paid.status === 204
      expect([paid.status, canceled.status]).toEqual(isPaid ? [204, 409] : [409, 204])
      expect((isPaid ? canceled : paid).body.error.code).toBe(isPaid ? 'already_paid' : 'already_canceled')
      await is(at, orderId, isPaid ? { status: 'PAID', reason: null } : { status: 'CANCELED', reason: 'user' })
      await stockIs(at, productId, isPaid ? 0 : 1)
    })
  })

  it.each(SEEDS)('a cancellation before, while or after the stock is reserved gives all of it back (seed %i)', LIMIT, async (seed) => {
    const [at, random] = [system(), randomOf(seed)]
    const userId = await at.on.user()
    await times(async (nth) => {
      const productId = await at.on.product(3)
      const orderId = await at.on.order(userId, [productId, 3])
      await sleep(nth * random() * 60)
      expect(await at.on.ask('POST', `${path(orderId)}/cancel`)).toMatchObject({ status: 204 })
      // Once it is released, whether something had been reserved before or not, nothing will be.
      await expect.poll(() => reservationOf(at.folder, orderId), { timeout: PATIENCE_MS }).toBe('released')
      await stockIs(at, productId, 3)
      await is(at, orderId, { status: 'CANCELED', reason: 'user' })
    })
  })

  it('nothing went to the dead letters, and all end with code 0', LIMIT, async () => {
    const { output } = await system().system.core('order-service', 'dlq', 'list', '--json')
    expect(JSON.parse(output)).toEqual({ letters: [] })
    expect(await system().system.stop()).toEqual([])
  })
})

describe('a payment when the time is over', () => {
  const system = booted({ ORDER_EXPIRES_AFTER: `${EXPIRES_AFTER_MS}ms` })

  it.each(SEEDS)('is done, or the order is expired (seed %i)', LIMIT, async (seed) => {
    const [at, random] = [system(), randomOf(seed)]
    const userId = await at.on.user()
    await times(async () => {
      const productId = await at.on.product(1)
      const orderId = await at.on.order(userId, [productId, 1])
      await sleep(EXPIRES_AFTER_MS - 150 + random() * 300)
      const isPaid = (await pay(at, orderId)).status === 204
      await is(at, orderId, isPaid ? { status: 'PAID' } : { status: 'CANCELED', reason: 'expired' })
      await expect.poll(() => reservationOf(at.folder, orderId), { timeout: PATIENCE_MS }).toBe(isPaid ? 'sold' : 'released')
      await stockIs(at, productId, isPaid ? 0 : 1)
    })
  })
})

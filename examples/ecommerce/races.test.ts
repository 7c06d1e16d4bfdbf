import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { randomOf } from '../two-apis/kills/random.ts'
import { booted, PATIENCE_MS } from './fixtures/booted.ts'
import { is, LIMIT, path, pay, racesOn, SEEDS, stockIs, times } from './fixtures/races.ts'
import { reservationOf } from './fixtures/rows.ts'

const EXPIRES_AFTER_MS = 3_000

describe('two who want the same', () => {
  const system = booted()
  racesOn(system)

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

import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { oneOf, randomOf } from '../two-apis/kills/random.ts'
import type { Answer } from './demo/client.ts'
import { type Booted, booted, PATIENCE_MS } from './fixtures/booted.ts'
import { rowsOf } from './fixtures/rows.ts'

const SEED = 7
const CUSTOMERS = 4
const ORDERS_EACH = 6
const STOCK = 5
const VICTIMS = ['product-service consumer', 'order-service consumer', 'order-service', 'product-service'] as const
const FINAL = ['PAID', 'CANCELED']

interface OrderAnswer {
  readonly id: number
  readonly status: string
  readonly items: readonly { readonly product_id: number; readonly quantity: number }[]
}

/** Asks until there is an answer: a process that was killed comes back. What was asked for may then be done twice. */
async function insist({ on }: Booted, method: string, path: string, body?: unknown): Promise<Answer> {
  for (;;) {
    try {
      const answer = await on.ask(method, path, body)
      if (answer.status < 500) return answer
    } catch {
      // nobody is there at the moment
    }
    await sleep(50)
  }
}

async function allOrders(at: Booted): Promise<readonly OrderAnswer[]> {
  const found: OrderAnswer[] = []
  for (let next: number | null = 0; next !== null; ) {
    const { body } = await insist(at, 'GET', `/api/v1/orders?limit=100${next ? `&after=${next}` : ''}`)
    found.push(...body.items)
    next = body.next
  }
  return found
}

describe('services that are killed in the middle', () => {
  const system = booted({ ORDER_EXPIRES_AFTER: '3s' })

  it(`every order ends, and no piece is lost or sold twice (seed ${SEED})`, { timeout: 4 * PATIENCE_MS }, async () => {
    const at = system()
    const random = randomOf(SEED)
    const products = await Promise.all([1, 2, 3].map(() => at.on.product(STOCK)))
    const users = await Promise.all(Array.from({ length: CUSTOMERS }, () => at.on.user()))

    const shopping = users.map(async (user_id) => {
      for (let nth = 0; nth < ORDERS_EACH; nth++) {
        const items = [{ product_id: oneOf(random, products), quantity: 1 + Math.floor(random() * 2) }]
        const { body } = await insist(at, 'POST', '/api/v1/orders', { user_id, items })
        await sleep(random() * 500)
        const next = oneOf(random, ['pay', 'pay', 'cancel', 'leave'])
        if (next !== 'leave') await insist(at, 'POST', `/api/v1/orders/${body.id}/${next}`)
      }
    })
    for (const victim of VICTIMS) {
      await sleep(random() * 500)
      await at.system.crash(victim)
    }
    await Promise.all(shopping)

    const unfinished = async () => (await allOrders(at)).filter(({ status }) => !FINAL.includes(status)).length
    await expect.poll(unfinished, { timeout: PATIENCE_MS }).toBe(0)
    const orders = await allOrders(at)
    expect(orders.length).toBeGreaterThanOrEqual(CUSTOMERS * ORDERS_EACH)
    const reserved = () => rowsOf(at.folder, 'product-service', `SELECT order_id FROM reservations WHERE status = 'reserved'`)
    await expect.poll(reserved, { timeout: PATIENCE_MS }).toEqual([])

    const sold = rowsOf(at.folder, 'product-service', `SELECT order_id FROM reservations WHERE status = 'sold' ORDER BY order_id`)
    const paid = orders.filter(({ status }) => status === 'PAID')
    expect(sold.map(({ order_id }) => order_id)).toEqual(paid.map(({ id }) => id))
    for (const product of products) {
      const pieces = paid.flatMap(({ items }) => items).filter(({ product_id }) => product_id === product)
      const piecesSold = pieces.reduce((sum, { quantity }) => sum + quantity, 0)
      expect({ product, all: (await at.on.stockOf(product)) + piecesSold }).toEqual({ product, all: STOCK })
    }
    const { output } = await at.system.core('order-service', 'dlq', 'list', '--json')
    expect(JSON.parse(output)).toEqual({ letters: [] })
  })
})

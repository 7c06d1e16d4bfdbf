import { setTimeout as sleep } from 'node:timers/promises'
import { client } from '../demo/client.ts'
import { bootSystem, type System } from '../demo/system.ts'
import { embedded } from '../fixtures/folder.ts'
import { shop } from '../fixtures/shop.ts'
import { insist } from './customers.ts'

const ROUNDS = 3
const CONNECTIONS = 32
const ORDERS = 600
const PACED = 600
const EVERY_MS = 20
const LOOK_EVERY_MS = 5
const MOST_DELAY_P99_MS = 100

/** Measures the e-commerce example on the embedded broker and SQLite: orders that are placed and paid as fast as it can, and how far its read model is behind. */
export async function measured(): Promise<object> {
  const place = await embedded({ LOG_LEVEL: 'info' })
  const system = await bootSystem({ env: place.env })
  try {
    const goods = await stocked(system)
    await purchases(system, goods, ORDERS / 4) // warms up
    const rates: number[] = []
    const delays: { readonly p50: number; readonly p99: number }[] = []
    for (let round = 0; round < ROUNDS; round++) {
      rates.push(await purchases(system, goods, ORDERS))
      await caughtUp(system, goods)
      const ms = await delaysOf(system, goods)
      delays.push({ p50: quantile(ms, 0.5), p99: quantile(ms, 0.99) })
    }
    return {
      purchasesPerSecond: Math.round(median(rates)),
      delayMsAt50OrdersPerSecond: { p50: median(delays.map(({ p50 }) => p50)), p99: median(delays.map(({ p99 }) => p99)) },
      rounds: delays,
      atMost: { p99: MOST_DELAY_P99_MS },
    }
  } finally {
    await system.stop()
    await place.remove()
  }
}

interface Goods {
  readonly user: number
  readonly products: readonly number[]
}

async function stocked(system: System): Promise<Goods> {
  const on = shop(system)
  const user = await on.user()
  return { user, products: await Promise.all(Array.from({ length: 50 }, () => on.product(1_000_000))) }
}

const orderOf = ({ user, products }: Goods, nth: number) => ({
  user_id: user,
  items: [{ product_id: products[nth % products.length], quantity: 1 }],
})

/** Returns how many orders were placed and paid in a second. */
async function purchases(system: System, goods: Goods, orders: number): Promise<number> {
  const ask = client(system)
  const startedAt = performance.now()
  let begun = 0
  const customer = async (): Promise<void> => {
    while (begun < orders) {
      const { body } = await insist(ask, 'POST', '/api/v1/orders', orderOf(goods, begun++))
      await insist(ask, 'POST', `/api/v1/orders/${body.id}/pay`)
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, customer))
  return (1_000 * orders) / (performance.now() - startedAt)
}

async function caughtUp(system: System, goods: Goods): Promise<void> {
  await delayOf(system, goods, 0)
  await sleep(2_000)
}

/** Returns the ms from each POST to its row in the read model, fifty orders a second. */
async function delaysOf(system: System, goods: Goods): Promise<readonly number[]> {
  const delays: Promise<number>[] = []
  for (let nth = 0; nth < PACED; nth++) {
    delays.push(delayOf(system, goods, nth))
    await sleep(EVERY_MS)
  }
  return Promise.all(delays)
}

async function delayOf(system: System, goods: Goods, nth: number): Promise<number> {
  const ask = client(system)
  const startedAt = performance.now()
  const { body } = await ask('POST', '/api/v1/orders', orderOf(goods, nth))
  while ((await ask('GET', `/q/orders/${body.id}`)).status !== 200) await sleep(LOOK_EVERY_MS)
  return performance.now() - startedAt
}

const quantile = (values: readonly number[], q: number): number =>
  values.toSorted((a, b) => a - b)[Math.ceil(q * values.length) - 1] ?? Number.NaN
const median = (values: readonly number[]): number => quantile(values, 0.5)

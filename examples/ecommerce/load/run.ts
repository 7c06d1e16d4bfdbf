import { setTimeout as sleep } from 'node:timers/promises'
import { oneOf, randomOf } from '../../two-apis/kills/random.ts'
import { client } from '../demo/client.ts'
import { PROCESSES, type System } from '../demo/system.ts'
import { shop } from '../fixtures/shop.ts'
import { everyRow, shopping } from './customers.ts'
import { differences } from './differences.ts'

export interface Load {
  readonly system: System
  readonly seed: number
  readonly users: number
  readonly products: number
  readonly orders: number
  /** Default 32. */
  readonly connections?: number
  /** How often a process is killed as by `kill -9`, evenly over the orders. */
  readonly kills: number
  /** Less than is asked for, so that it runs out. Default: one and a half pieces an order, over all products. */
  readonly stockOfEach?: number
  /** Default five minutes, from the last order on. */
  readonly settleMs?: number
  readonly onLine?: (text: string) => void
}

export interface LoadReport {
  /** A line for each thing that is not as it must be: empty when all is well. */
  readonly wrong: readonly string[]
  readonly summary: string
}

const FINAL = ['PAID', 'CANCELED']
const LOOK_EVERY_MS = 500
const MOST_LINES = 20

/**
 * Customers shop while processes are killed. In the end every order is in a final state, no piece is lost or sold twice, and the read model is the write
 * side row by row.
 */
export async function runLoad(load: Load): Promise<LoadReport> {
  const { system, seed, orders, connections = 32, settleMs = 300_000, onLine = () => undefined } = load
  const stockOfEach = load.stockOfEach ?? Math.ceil((1.5 * orders) / load.products)
  const ask = client(system)
  const random = randomOf(seed)
  const on = shop(system)
  const users = await Promise.all(Array.from({ length: load.users }, () => on.user()))
  const products = await Promise.all(Array.from({ length: load.products }, (_, nth) => on.product(stockOfEach, 5 + nth)))

  const startedAt = performance.now()
  const killer = victimsOf(load, random)
  const placed = await shopping({ ask, random, users, products, orders, connections, onOrder: killer.placed })
  const killed = await killer.done()
  const shoppedS = (performance.now() - startedAt) / 1_000
  onLine(`${placed.length} orders in ${shoppedS.toFixed(1)} s with ${killed} kills`)

  const wrong = await settled(load, ask, settleMs)
  const all = await everyRow(ask, '/api/v1/orders')
  const lost = placed.filter((id) => !all.some((order) => order.id === id))
  if (lost.length > 0) wrong.push(`orders that were answered are not there: ${lost.join(', ')}`)
  for (const product of await everyRow(ask, '/api/v1/products')) {
    const sold = piecesOf(all, product.id)
    if (product.stock < 0 || product.stock + sold !== stockOfEach)
      wrong.push(`product ${product.id}: ${product.stock} free and ${sold} sold, of ${stockOfEach}`)
  }
  const ends = Object.entries(Object.groupBy(all, ({ status, reason }) => reason ?? status)).map(([end, them]) => `${them?.length} ${end}`)
  const summary = `seed ${seed}: ${all.length} orders in ${shoppedS.toFixed(1)} s (${(placed.length / shoppedS).toFixed(0)} a second) with ${killed} kills, ${ends.toSorted().join(', ')}; settled in ${((performance.now() - startedAt) / 1_000 - shoppedS).toFixed(1)} s`
  return { wrong, summary }
}

const piecesOf = (
  orders: readonly { status: string; items: readonly { product_id: number; quantity: number }[] }[],
  product: number,
): number =>
  orders
    .filter(({ status }) => status === 'PAID')
    .flatMap(({ items }) => items)
    .reduce((sum, { product_id, quantity }) => sum + (product_id === product ? quantity : 0), 0)

/** Kills a process at the n-th order, one at a time. */
function victimsOf({ system, orders, kills }: Load, random: () => number) {
  const every = kills === 0 ? Infinity : orders / (kills + 1)
  let killing: Promise<void> = Promise.resolve()
  let killed = 0
  return {
    placed(n: number): void {
      if (killed >= kills || n < every * (killed + 1)) return
      killed++
      const victim = oneOf(random, PROCESSES)
      killing = killing.then(() => system.crash(victim))
    },
    async done(): Promise<number> {
      await killing
      return killed
    },
  }
}

/** Waits until every order has ended and the read model has caught up. Returns what has not, when that takes too long. */
async function settled({ onLine = () => undefined }: Load, ask: ReturnType<typeof client>, withinMs: number): Promise<string[]> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const open = (await everyRow(ask, '/api/v1/orders')).filter(({ status }) => !FINAL.includes(status)).length
    const differ = open === 0 ? await differences(ask) : []
    if (open === 0 && differ.length === 0) return []
    onLine(open > 0 ? `${open} orders have not ended` : `${differ.length} rows of the read model differ`)
    if (performance.now() > deadline)
      return [...(open > 0 ? [`${open} orders have not ended`] : []), ...differ.slice(0, MOST_LINES), ...more(differ)]
    await sleep(LOOK_EVERY_MS)
  }
}

const more = (lines: readonly string[]): string[] => (lines.length > MOST_LINES ? [`and ${lines.length - MOST_LINES} more rows`] : [])

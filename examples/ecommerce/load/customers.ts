import { setTimeout as sleep } from 'node:timers/promises'
import { oneOf } from '../../two-apis/kills/random.ts'
import type { Answer, Ask } from '../demo/client.ts'

export interface Customers {
  readonly ask: Ask
  readonly random: () => number
  readonly users: readonly number[]
  readonly products: readonly number[]
  readonly orders: number
  /** How many of them are served at a time. */
  readonly connections: number
  readonly onOrder?: (placed: number) => void
}

/** What becomes of an order as far as its customer goes. Half of them pay. */
const ENDS = ['pay', 'pay', 'cancel', 'leave'] as const
const MOST_ITEMS = 3
const THINKS_MS = 300

/** Places orders, and pays, cancels or forgets each of them. Returns the ids that were answered. */
export async function shopping({ ask, random, users, products, orders, connections, onOrder }: Customers): Promise<readonly number[]> {
  const placed: number[] = []
  let begun = 0
  const customer = async (): Promise<void> => {
    while (begun++ < orders) {
      const items = itemsOf(random, products)
      const { body } = await insist(ask, 'POST', '/api/v1/orders', { user_id: oneOf(random, users), items })
      placed.push(body.id)
      onOrder?.(placed.length)
      await sleep(random() * THINKS_MS)
      const end = oneOf(random, ENDS)
      if (end !== 'leave') await insist(ask, 'POST', `/api/v1/orders/${body.id}/${end}`)
    }
  }
  await Promise.all(Array.from({ length: connections }, customer))
  return placed
}

function itemsOf(random: () => number, products: readonly number[]) {
  const chosen = new Set(Array.from({ length: 1 + Math.floor(random() * MOST_ITEMS) }, () => oneOf(random, products)))
  return [...chosen].map((product_id) => ({ product_id, quantity: 1 + Math.floor(random() * 2) }))
}

const ASK_AGAIN_MS = 50

/** Asks until there is an answer: a process that was killed comes back. What was asked for may then be done twice. */
export async function insist(ask: Ask, method: string, path: string, body?: unknown): Promise<Answer> {
  for (;;) {
    try {
      const answer = await ask(method, path, body)
      if (answer.status < 500 && answer.body?.error?.code !== 'not_reserved') return answer
    } catch {
      // Nobody listens there until the service is started again.
    }
    await sleep(ASK_AGAIN_MS)
  }
}

/** All rows of a list of a service, page after page. */
// biome-ignore lint/suspicious/noExplicitAny: rows of any route
export async function everyRow(ask: Ask, path: string): Promise<readonly any[]> {
  const rows: unknown[] = []
  for (let next: number | null = 0; next !== null; ) {
    const { body } = await insist(ask, 'GET', `${path}?limit=100${next ? `&after=${next}` : ''}`)
    rows.push(...body.items)
    next = body.next
  }
  return rows
}

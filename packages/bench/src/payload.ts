import { z } from 'zod'

export const Order = z.object({ order_id: z.number(), user_id: z.number(), total: z.number(), note: z.string() })
export type Order = z.infer<typeof Order>

/** An order whose JSON has exactly `bytes`. */
export function order(bytes: number, n = 0): Order {
  const bare = { order_id: 100_000 + n, user_id: 7, total: 19.9, note: '' }
  return { ...bare, note: 'x'.repeat(bytes - JSON.stringify(bare).length) }
}

/** An event whose body has exactly `bytes`. */
export function eventBody(bytes: number, n = 0): Uint8Array {
  const envelope = (note: string) =>
    JSON.stringify({ name: 'order.created', data: { ...order(80, n), note }, timestamp: '2026-01-01T00:00:00.000Z', source: 'bench' })
  return new TextEncoder().encode(envelope('x'.repeat(bytes - envelope('').length)))
}

import type { DatabaseSync } from 'node:sqlite'

export interface Order {
  readonly id: number
  readonly user_id: number
  /** Our copy of what users-api knows. */
  readonly user_email: string
  readonly kind: 'order' | 'welcome'
  readonly total: number
  readonly items_count: number
  readonly status: 'open' | 'paid'
  /** Null until the inventory has heard of it. */
  readonly stock: 'reserved' | 'sold' | null
}

const ORDER = `SELECT orders.id, user_id, email AS user_email, kind, total, orders.items_count, status, state AS stock
  FROM orders JOIN customers ON customers.id = user_id LEFT JOIN inventory ON order_id = orders.id`

export function findOrder(db: DatabaseSync, id: number): Order | undefined {
  return db.prepare(`${ORDER} WHERE orders.id = ?`).get(id) as Order | undefined
}

export function ordersOf(db: DatabaseSync, userId: number): readonly Order[] {
  return db.prepare(`${ORDER} WHERE user_id = ? ORDER BY orders.id`).all(userId) as unknown as readonly Order[]
}

export function isCustomer(db: DatabaseSync, userId: number): boolean {
  return db.prepare('SELECT 1 FROM customers WHERE id = ?').get(userId) !== undefined
}

export function insertOrder(
  db: DatabaseSync,
  { userId, total, itemsCount }: { userId: number; total: number; itemsCount: number },
): number {
  const { lastInsertRowid } = db.prepare('INSERT INTO orders (user_id, total, items_count) VALUES (?, ?, ?)').run(userId, total, itemsCount)
  return Number(lastInsertRowid)
}

export function insertWelcomeOrder(db: DatabaseSync, userId: number): number {
  const { lastInsertRowid } = db.prepare(`INSERT INTO orders (user_id, kind, total, items_count) VALUES (?, 'welcome', 0, 1)`).run(userId)
  return Number(lastInsertRowid)
}

export function markPaid(db: DatabaseSync, orderId: number): void {
  db.prepare(`UPDATE orders SET status = 'paid' WHERE id = ?`).run(orderId)
}

/** Keeps the newest address: after a retry an older event may come behind a newer one. */
export function keepEmail(db: DatabaseSync, { id, email }: { id: number; email: string }, asOf: string): void {
  db.prepare(
    `INSERT INTO customers (id, email, as_of) VALUES (?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET email = excluded.email, as_of = excluded.as_of WHERE excluded.as_of >= as_of`,
  ).run(id, email, asOf)
}

/** False when the order has its payment. */
export function keepPayment(db: DatabaseSync, orderId: number, amount: number): boolean {
  return db.prepare('INSERT INTO payments (order_id, amount) VALUES (?, ?) ON CONFLICT DO NOTHING').run(orderId, amount).changes === 1
}

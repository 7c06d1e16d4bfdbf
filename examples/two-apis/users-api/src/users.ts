import type { DatabaseSync } from 'node:sqlite'
import { sqlRepository } from '@corebus/sql'

export interface User {
  readonly id: number
  readonly email: string
  readonly orders_count: number
  readonly payments_count: number
}

/** An address belongs to one user: another one with it is refused, which a ViewSet answers with 409. */
export const users = sqlRepository<User, { password: string }>({
  table: 'users',
  columns: { id: 'integer', email: 'text', orders_count: 'integer', payments_count: 'integer' },
  writeOnly: { password: 'text' },
})

/** An order of the user. Twice is one too many, so it is for handlers that an inbox calls once. */
export function countOrder(db: DatabaseSync, userId: number): void {
  db.prepare('UPDATE users SET orders_count = orders_count + 1 WHERE id = ?').run(userId)
}

export function countPayment(db: DatabaseSync, userId: number): void {
  db.prepare('UPDATE users SET payments_count = payments_count + 1 WHERE id = ?').run(userId)
}

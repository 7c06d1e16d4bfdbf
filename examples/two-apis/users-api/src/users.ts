import type { DatabaseSync } from 'node:sqlite'

export interface User {
  readonly id: number
  readonly email: string
  readonly orders_count: number
  readonly payments_count: number
}

/** Undefined when the address belongs to somebody else. */
export function insertUser(db: DatabaseSync, { email, password }: { email: string; password: string }): number | undefined {
  const { changes, lastInsertRowid } = db
    .prepare('INSERT INTO users (email, password) VALUES (?, ?) ON CONFLICT DO NOTHING')
    .run(email, password)
  return changes === 0 ? undefined : Number(lastInsertRowid)
}

export function findUser(db: DatabaseSync, id: number): User | undefined {
  return db.prepare('SELECT id, email, orders_count, payments_count FROM users WHERE id = ?').get(id) as User | undefined
}

/** False when the address belongs to somebody else. */
export function changeEmail(db: DatabaseSync, id: number, email: string): boolean {
  return db.prepare('UPDATE OR IGNORE users SET email = ? WHERE id = ?').run(email, id).changes === 1
}

/** An order of the user. Twice is one too many, so it is for handlers that an inbox calls once. */
export function countOrder(db: DatabaseSync, userId: number): void {
  db.prepare('UPDATE users SET orders_count = orders_count + 1 WHERE id = ?').run(userId)
}

export function countPayment(db: DatabaseSync, userId: number): void {
  db.prepare('UPDATE users SET payments_count = payments_count + 1 WHERE id = ?').run(userId)
}

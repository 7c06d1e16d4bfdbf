import { Buffer } from 'node:buffer'
import type { Column, RowQuery } from './repository.ts'

type Order = RowQuery['order']

/** Opaque to clients: the order, so that a cursor is of no use for another one, and what the row has in its columns. */
export function cursorAt(row: object, order: Order): string {
  const values = order.map(({ column }) => {
    const value: unknown = Reflect.get(row, column)
    return value === null || value === undefined ? null : String(value)
  })
  return Buffer.from(JSON.stringify([nameOf(order), ...values])).toString('base64url')
}

/** Undefined for what this order has not made. Whoever forges one that fits reads the same rows from another place on. */
export function rowAt(cursor: string, order: Order, columns: Readonly<Record<string, Column>>): readonly unknown[] | undefined {
  const [name, ...values] = listIn(cursor)
  if (name !== nameOf(order) || values.length !== order.length) return undefined
  const parsed = order.map(({ column }, n) => {
    const text = values[n]
    return typeof text === 'string' ? columns[column]?.parse(text) : text === null ? null : undefined
  })
  return parsed.includes(undefined) ? undefined : parsed
}

const nameOf = (order: Order): string => order.map(({ column, descending }) => `${descending ? '-' : ''}${column}`).join(',')

function listIn(cursor: string): readonly unknown[] {
  try {
    const list: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    return Array.isArray(list) ? list : []
  } catch {
    // A text that is no JSON is no cursor.
    return []
  }
}

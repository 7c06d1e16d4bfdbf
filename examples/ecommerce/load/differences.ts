import { isDeepStrictEqual } from 'node:util'
import type { Ask } from '../demo/client.ts'
import { everyRow } from './customers.ts'

/** What one service says of a thing, by its id. */
type Rows = ReadonlyMap<number, unknown>

/** Compares the read model with the write side, row by row. Returns a line for each row that differs. */
export async function differences(ask: Ask): Promise<readonly string[]> {
  const [users, products, orders] = await Promise.all(['users', 'products', 'orders'].map((what) => everyRow(ask, `/api/v1/${what}`)))
  const [seenUsers, seenProducts, seenOrders] = await Promise.all(
    ['users', 'products', 'orders'].map((what) => everyRow(ask, `/q/${what}`)),
  )
  const people = new Map(users?.map((user) => [user.id, { id: user.id, name: user.name, email: user.email }]))
  const names = new Map(products?.map(({ id, name }) => [id, name]))
  const wanted = orders?.map(({ user_id, items, ...order }) => ({
    ...order,
    user: people.get(user_id),
    items: items.map((item: { product_id: number }) => ({ ...item, name: names.get(item.product_id) ?? null })),
  }))
  return [
    ...between('user', byId(users), byId(seenUsers)),
    ...between('product', byId(products), byId(seenProducts)),
    ...between('order', byId(wanted), byId(seenOrders?.map((order) => ({ ...order, items: inOrder(order.items) })))),
  ]
}

const byId = (rows: readonly { readonly id: number }[] = []): Rows => new Map(rows.map((row) => [row.id, row]))
const inOrder = (items: readonly { product_id: number }[]) => items.toSorted((a, b) => a.product_id - b.product_id)

function between(what: string, written: Rows, seen: Rows): string[] {
  return [...new Set([...written.keys(), ...seen.keys()])]
    .filter((id) => !isDeepStrictEqual(written.get(id), seen.get(id)))
    .map((id) => `${what} ${id}: written ${JSON.stringify(written.get(id))}, and the read model has ${JSON.stringify(seen.get(id))}`)
}

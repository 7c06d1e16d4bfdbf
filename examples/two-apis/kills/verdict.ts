import { DatabaseSync } from 'node:sqlite'
import type { CommandResult } from '../demo/child.ts'
import type { Customer } from './customers.ts'

export interface Files {
  readonly users: string
  readonly orders: string
}

/** Looks into a database that others write to. */
export function rowsIn(file: string, sql: string, ...params: readonly (string | number)[]): readonly Record<string, unknown>[] {
  const db = new DatabaseSync(file, { readOnly: true, timeout: 5_000 })
  try {
    return db.prepare(sql).all(...params)
  } finally {
    db.close()
  }
}

const WAITING = 'SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM outbox_delayed) AS waiting'
/**
 * A message can be missed that leaves an outbox for the broker between the look at the one and the look at the other. What customers have begun is in an outbox twice at
 * most (`user.created`, then `order.created`), so it can be missed twice.
 */
const LOOKS = 3

/** A topic and group as `npx corebus topics --json` has it. A broker may not say how many messages are in flight, and how many wait for a retry only of several groups together. */
interface Depth {
  readonly ready?: number
  readonly inFlight?: number
  readonly delayed?: number
  readonly delayedTogether?: readonly { readonly waiting: number }[]
}

function isBusy({ ready = 0, inFlight = 0, delayed = 0, delayedTogether = [] }: Depth): boolean {
  return ready + inFlight + delayed + delayedTogether.reduce((sum, { waiting }) => sum + waiting, 0) > 0
}

type Core = (...args: string[]) => Promise<CommandResult>

/** Something that is still on its way: in an outbox, or on the broker and not handled. Undefined when nothing changes any more. */
export async function onItsWay({ users, orders }: Files, core: Core): Promise<string | undefined> {
  for (let look = 0; look < LOOKS; look++) {
    for (const file of [users, orders]) {
      const waiting = rowsIn(file, WAITING)[0]?.waiting
      if (waiting !== 0) return `${waiting} rows in the outbox of ${file}`
    }
    const { code, output, errors } = await core('topics', '--json')
    if (code !== 0) return `what the broker has, which does not answer: ${errors}`
    const busy = (JSON.parse(output) as readonly Depth[]).filter(isBusy)
    if (busy.length > 0) return `on the broker: ${JSON.stringify(busy)}`
  }
  return undefined
}

/** Everything that is not as it should be, one line each. */
export async function wrong({ users, orders }: Files, customers: readonly Customer[], core: Core): Promise<readonly string[]> {
  const letters = await core('dlq', 'list', '--json')
  return [
    ...usersWrong(users, customers),
    ...ordersWrong(orders, customers),
    ...countsWrong({ users, orders }),
    ...[users, orders].flatMap((file) =>
      rowsIn(file, 'SELECT * FROM outbox_dead').map((row) => `dead in the outbox: ${JSON.stringify(row)}`),
    ),
    ...(letters.code === 0 && letters.output.trim() === '{"letters":[]}' ? [] : [`dead letters: ${letters.output}${letters.errors}`]),
  ]
}

function usersWrong(users: string, customers: readonly Customer[]): readonly string[] {
  const found = rowsIn(users, 'SELECT id, email FROM users')
  const emails = new Map(found.map(({ id, email }) => [id, email]))
  return [
    ...(found.length === customers.length ? [] : [`${customers.length} have registered, and there are ${found.length} users`]),
    ...customers.flatMap(({ id, email }) =>
      emails.get(id) === email ? [] : [`user ${id} has ${emails.get(id)}, and has changed it to ${email}`],
    ),
  ]
}

function ordersWrong(orders: string, customers: readonly Customer[]): readonly string[] {
  return customers.flatMap(({ id, email, ordered, paid }) => {
    const copies = rowsIn(orders, 'SELECT email FROM customers WHERE id = ?', id).map((row) => row.email)
    const rows = rowsIn(orders, 'SELECT id, kind, total, status FROM orders WHERE user_id = ? ORDER BY id', id)
    const welcome = rows.filter(({ kind }) => kind === 'welcome').length
    const totals = rows.filter(({ kind }) => kind === 'order').map(({ total }) => total)
    const isPaid = rows.filter(({ status }) => status === 'paid').map((row) => row.id)
    return [
      ...(String(copies) === email ? [] : [`the copy of the address of user ${id} is ${copies}, not ${email}`]),
      ...(welcome === 1 ? [] : [`user ${id} has ${welcome} welcome orders`]),
      ...(sorted(totals) === sorted(ordered) ? [] : [`user ${id} ordered ${sorted(ordered)}, and there are ${sorted(totals)}`]),
      ...(sorted(isPaid) === sorted(paid) ? [] : [`user ${id} has paid for ${sorted(paid)}, and these are paid: ${sorted(isPaid)}`]),
    ]
  })
}

/** What follows from other rows, in another table or in the other service. */
function countsWrong({ users, orders }: Files): readonly string[] {
  const of = rowsIn(
    orders,
    `SELECT user_id AS id, count(*) AS orders_count, count(payments.order_id) AS payments_count
     FROM orders LEFT JOIN payments ON payments.order_id = orders.id GROUP BY user_id`,
  )
  const counted = new Map(rowsIn(users, 'SELECT id, orders_count, payments_count FROM users').map((row) => [row.id, row]))
  const miscounted = of.flatMap((there) => {
    const here = counted.get(there.id)
    return JSON.stringify(here) === JSON.stringify(there)
      ? []
      : [`counted on the user ${JSON.stringify(here)}, and there are ${JSON.stringify(there)}`]
  })
  const torn = rowsIn(
    orders,
    `SELECT orders.id, status, amount, total, state FROM orders LEFT JOIN payments ON payments.order_id = orders.id
     LEFT JOIN inventory ON inventory.order_id = orders.id
     WHERE (status = 'paid') <> (amount IS NOT NULL) OR amount <> total OR state IS NOT iif(status = 'paid', 'sold', 'reserved')`,
  )
  return [...miscounted, ...torn.map((row) => `an order, its payment and its stock do not agree: ${JSON.stringify(row)}`)]
}

function sorted(values: readonly unknown[]): string {
  return [...values]
    .map(Number)
    .sort((a, b) => a - b)
    .join(', ')
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { TwoApis } from '../demo/two-apis.ts'
import type { Order } from '../orders-api/src/orders.ts'
import { type Asked, asking } from './asking.ts'
import { oneOf } from './random.ts'

/** What a customer has been told, or has found out: this must be so at the end. */
export interface Customer {
  readonly id: number
  email: string
  /** Totals of orders, each of which no other order has. */
  readonly ordered: number[]
  /** Ids of orders that are to be charged for: the API has said 202, or that it is paid. */
  readonly paid: number[]
}

export interface Crowd {
  readonly customers: readonly Customer[]
  readonly asked: Asked
}

export interface CrowdOptions {
  readonly apis: TwoApis
  readonly random: () => number
  /** The id of the user of an address: what a person would find out by logging in. */
  readonly idOf: (email: string) => number | undefined
  /** Nobody begins anything new after that. */
  readonly signal: AbortSignal
}

/** Customers who are there at the same time. */
const AT_ONCE = 5
/** A registration among so many things that somebody does. */
const NEW = 1 / 15
const THINKS_MS = 40
const PASSWORD = 'correct horse battery staple'

/** People who register, change their address, order and pay, until they are told to stop or something is wrong. Each finishes what it has begun. @throws Error for an answer that makes no sense */
export async function crowd({ apis, random, idOf, signal }: CrowdOptions): Promise<Crowd> {
  const customers: Customer[] = []
  const { request, insists, asked } = asking(apis)
  const failed = new AbortController()
  const over = AbortSignal.any([signal, failed.signal])
  let number = 0

  async function register(): Promise<Customer> {
    const email = `customer${++number}@example.com`
    const { status, body, again } = await insists('users-api', 'POST', '/users/register', { email, password: PASSWORD })
    const id = status === 201 ? (body as { id: number }).id : idOf(email)
    // A customer who got no answer the first time may have been registered by it.
    if ((status !== 201 && !(status === 409 && again)) || id === undefined) throw unexpected('POST /users/register', status, body)
    const customer = { id, email, ordered: [], paid: [] }
    customers.push(customer)
    return customer
  }

  async function changeEmail(customer: Customer): Promise<void> {
    const email = `customer${++number}@new.example.com`
    const { status, body } = await insists('users-api', 'PATCH', `/users/${customer.id}`, { email })
    if (status !== 200) throw unexpected('PATCH /users/:id', status, body)
    customer.email = email
  }

  async function ordersOf({ id }: Customer): Promise<readonly Order[]> {
    const { status, body } = await insists('orders-api', 'GET', `/orders?user_id=${id}`)
    if (status !== 200) throw unexpected('GET /orders', status, body)
    return body as readonly Order[]
  }

  async function order(customer: Customer): Promise<void> {
    // No other order has this total. Quarters are exact as floating point numbers.
    const total = ++number / 4
    const wanted = { user_id: customer.id, items: [{ sku: 'tea', quantity: 1, price: total }] }
    for (;;) {
      const answer = await request('orders-api', 'POST', '/orders', wanted)
      // The event of a new user may not have reached orders-api yet.
      if (answer?.status === 404) return
      if (answer && answer.status !== 201) throw unexpected('POST /orders', answer.status, answer.body)
      if (answer || (await ordersOf(customer)).some((one) => one.total === total)) break
    }
    customer.ordered.push(total)
  }

  async function pay(customer: Customer): Promise<void> {
    const open = (await ordersOf(customer)).filter(({ kind, status }) => kind === 'order' && status === 'open')
    if (open.length === 0) return
    // An impatient customer asks again for an order that is being charged for.
    const { id } = oneOf(random, open)
    const { status, body } = await insists('orders-api', 'POST', `/orders/${id}/pay`, { card_token: 'tok_visa' })
    if (status !== 202 && status !== 409) throw unexpected('POST /orders/:id/pay', status, body)
    if (!customer.paid.includes(id)) customer.paid.push(id)
  }

  /** The customer is a person with several accounts, so that nobody else changes them meanwhile. */
  async function comeAndGo(): Promise<void> {
    const own = [await register()]
    while (!over.aborted) {
      await sleep(random() * THINKS_MS)
      if (random() < NEW) own.push(await register())
      else await oneOf(random, [order, order, order, pay, pay, changeEmail])(oneOf(random, own))
    }
  }

  const people = Array.from({ length: AT_ONCE }, () =>
    comeAndGo().catch((error: unknown) => {
      failed.abort()
      throw error
    }),
  )
  await Promise.allSettled(people)
  await Promise.all(people)
  return { customers, asked }
}

function unexpected(what: string, status: number, body: unknown): Error {
  return new Error(`${what} answered ${status} ${JSON.stringify(body)}`)
}

import { ask } from './ask.ts'
import type { LogLine } from './log-line.ts'
import { failAndReplayPayment } from './payment-story.ts'
import { check, type Stage } from './stage.ts'

export const PASSWORD = 'correct horse battery staple'

/** Drives the two APIs by their HTTP routes and checks each effect. @throws Error that says which one is missing. */
export async function tellStory(stage: Stage): Promise<void> {
  const userId = await register(stage)
  const duplicateRequestId = await registerAgain(stage)
  await changeEmail(stage, userId)
  const orderId = await placeOrder(stage, userId)
  await failAndReplayPayment(stage, userId, orderId)
  nothingElse(stage, duplicateRequestId)
}

export async function register({ apis, tell, happens, user, order }: Stage): Promise<number> {
  tell('demo', 'step', '1. Ana registers: a welcome order, and everyone who counts or stores hears of it')
  const answer = await ask(tell, 'POST', `${apis.urls.users}/users/register`, { body: { email: 'ana@example.com', password: PASSWORD } })
  check(answer.status === 201 && typeof answer.body.id === 'number', 'POST /users/register answers 201 with an id')
  const { id } = answer.body
  const caused = { correlationId: answer.requestId }
  await happens('published', { event: 'user.created', topic: 'user-events', key: String(id), ...caused })
  await happens('handled', { event: 'user.created', group: 'order-service', ...caused })
  await order(id, 'the welcome order', ({ kind, user_email }) => kind === 'welcome' && user_email === 'ana@example.com')
  await happens('handled', { event: 'order.created', group: 'user-service', ...caused })
  await user(id, 'one order counted', ({ orders_count }) => orders_count === 1)
  await happens('handled', { topic: 'orders.created', group: 'inventory', ...caused })
  await order(id, 'in the inventory', ({ kind, stock }) => kind === 'welcome' && stock === 'reserved')
  return id
}

export async function registerAgain({ apis, tell }: Stage): Promise<string> {
  tell('demo', 'step', '2. The same address again: refused, and a refused request publishes nothing')
  const answer = await ask(tell, 'POST', `${apis.urls.users}/users/register`, { body: { email: 'ana@example.com', password: PASSWORD } })
  check(answer.status === 409, 'a second registration of an address answers 409')
  return answer.requestId
}

export async function changeEmail({ apis, tell, happens, order }: Stage, userId: number): Promise<void> {
  tell('demo', 'step', '3. Ana changes her address: the copy in orders-api follows')
  const answer = await ask(tell, 'PATCH', `${apis.urls.users}/users/${userId}`, { body: { email: 'ana@new.example.com' } })
  check(answer.status === 200, 'PATCH /users/:id answers 200')
  const caused = { correlationId: answer.requestId }
  await happens('published', { event: 'user.updated', topic: 'user-events', ...caused })
  await happens('handled', { event: 'user.updated', group: 'order-service', ...caused })
  await order(userId, 'the new address', ({ user_email }) => user_email === 'ana@new.example.com')
}

export async function placeOrder({ apis, tell, happens, user, order }: Stage, userId: number): Promise<number> {
  tell('demo', 'step', '4. Ana orders')
  const items = [
    { sku: 'tea', quantity: 2, price: 4.5 },
    { sku: 'pot', quantity: 1, price: 30 },
  ]
  const answer = await ask(tell, 'POST', `${apis.urls.orders}/orders`, { body: { user_id: userId, items } })
  check(answer.status === 201 && typeof answer.body.id === 'number', 'POST /orders answers 201 with an id')
  const { id } = answer.body
  check(answer.body.total === 39, 'the order costs 39')
  const caused = { correlationId: answer.requestId }
  await happens('published', { event: 'order.created', topic: 'order-events', ...caused })
  await happens('handled', { event: 'order.created', group: 'user-service', ...caused })
  await user(userId, 'two orders counted', ({ orders_count }) => orders_count === 2)
  await happens('published', { topic: 'orders.created', ...caused })
  await happens('handled', { topic: 'orders.created', group: 'inventory', ...caused })
  await order(userId, 'reserved', (found) => found.id === id && found.stock === 'reserved' && found.items_count === 3)
  return id
}

/** What must not have happened by the end. */
export function nothingElse({ apis }: Stage, duplicateRequestId: string): void {
  const count = (where: Partial<LogLine>): number => apis.happened('published', where).length
  check(count({ correlationId: duplicateRequestId }) === 0, 'the refused registration published nothing')
  check(count({ event: 'user.created' }) === 1, 'user.created was published once')
  check(count({ event: 'payment.completed' }) === 1, 'payment.completed was published once')
  const retried = apis.happened('retry', {}).filter(({ topic }) => topic !== 'payments.process')
  check(retried.length === 0, `nothing but the payment was retried: ${retried.map(({ text }) => text).join('; ')}`)
  check(apis.happened('dead letter', {}).length === 1, 'nothing but the payment became a dead letter')
  check(!apis.lines.some(({ text }) => text.includes(PASSWORD)), 'no process has logged the password')
}

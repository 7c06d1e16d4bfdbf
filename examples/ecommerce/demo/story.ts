import { type Ask, becomes, client, serviceOf } from './client.ts'
import type { System } from './system.ts'

export interface Stage {
  readonly system: System
  /** As in ORDER_EXPIRES_AFTER. */
  readonly expiresAfterMs: number
  tell(who: string, kind: 'step' | 'answered' | 'row' | 'stopped', what: string): void
}

/** Purchases and their failures. Every step is checked; one that does not happen is an error. */
export async function tellStory(stage: Stage): Promise<void> {
  const shop = await purchases(stage)
  await kills(stage, shop)
}

function actions({ system, tell }: Stage) {
  const asks = client(system)
  const ask: Ask = async (method, path, body) => {
    const answer = await asks(method, path, body)
    tell(serviceOf(path), 'answered', `${method} ${path} ${answer.status} ${JSON.stringify(answer.body ?? '')}`)
    return answer
  }
  const sees = async (path: string, wanted: Record<string, unknown>): Promise<void> => {
    const row = await becomes(asks, path, wanted)
    tell(serviceOf(path), 'row', `${path} is ${JSON.stringify(row)}`)
  }
  const create = async (path: string, body: unknown): Promise<string> => {
    const { status, headers } = await ask('POST', path, body)
    check(status === 201, `${path} answers 201`)
    return headers.get('location') ?? ''
  }
  const place = (user: string, product: string, quantity: number): Promise<string> =>
    create('/api/v1/orders', { user_id: idIn(user), items: [{ product_id: idIn(product), quantity }] })
  const answers = async (status: number, path: string): Promise<void> => {
    check((await ask('POST', path)).status === status, `${path} answers ${status}`)
  }
  return { ask, sees, create, place, answers }
}

interface Made {
  /** Where they are. */
  readonly user: string
  readonly shirt: string
  /** The first order, which is paid. */
  readonly first: string
  readonly buyer: { readonly id: number; readonly name: string; readonly email: string }
}

async function purchases(stage: Stage): Promise<Made> {
  const { tell, expiresAfterMs } = stage
  const { ask, sees, create, place, answers } = actions(stage)
  tell('demo', 'step', 'a user and two products, of one of which there is one piece')
  const user = await create('/api/v1/users', { name: 'João Silva', email: 'joao@exemplo.com' })
  const shirt = await create('/api/v1/products', { name: 'Camiseta Básica', price: 59.9, stock: 100 })
  const notebook = await create('/api/v1/products', { name: 'Notebook Dell', price: 3_500, stock: 1 })

  tell('demo', 'step', 'an order that is paid: pay waits until product-service has reserved the stock')
  const first = await place(user, shirt, 2)
  await answers(204, `${first}/pay`)
  await sees(first, { status: 'PAID', total: 119.8 })
  await sees(shirt, { stock: 98 })
  await answers(409, `${first}/cancel`)
  tell('demo', 'step', 'the read model catches up: one document has the order, its user and the names and prices of its items')
  const buyer = { id: idIn(user), name: 'João Silva', email: 'joao@exemplo.com' }
  const items = [{ product_id: idIn(shirt), name: 'Camiseta Básica', price: 59.9, quantity: 2 }]
  await sees(viewOf(first), { status: 'PAID', total: 119.8, user: buyer, items })
  await sees(viewOf(shirt), { stock: 98 })

  tell('demo', 'step', 'an order that is canceled gives its piece back')
  const canceled = await place(user, notebook, 1)
  await sees(canceled, { status: 'RESERVED' })
  await sees(notebook, { stock: 0 })
  await answers(204, `${canceled}/cancel`)
  await sees(canceled, { status: 'CANCELED', reason: 'user' })
  await sees(viewOf(canceled), { status: 'CANCELED', reason: 'user' })
  await sees(notebook, { stock: 1 })

  tell('demo', 'step', 'two orders for the last piece: one has it, and the other runs out of stock')
  const both = await Promise.all([place(user, notebook, 1), place(user, notebook, 1)])
  const payments = await Promise.all(both.map((order) => ask('POST', `${order}/pay`)))
  check(payments.filter(({ status }) => status === 204).length === 1, 'one of them is paid')
  const loser = payments[0]?.status === 204 ? both[1] : both[0]
  await sees(loser, { status: 'CANCELED', reason: 'out_of_stock' })
  await sees(viewOf(loser), { status: 'CANCELED', reason: 'out_of_stock' })

  tell('demo', 'step', `an order that nobody pays expires after ${expiresAfterMs / 1_000} s, and gives its pieces back`)
  const forgotten = await place(user, shirt, 3)
  await sees(shirt, { stock: 95 })
  await sees(forgotten, { status: 'CANCELED', reason: 'expired' })
  await sees(shirt, { stock: 98 })
  return { user, shirt, first, buyer }
}

async function kills(stage: Stage, { user, shirt, first, buyer }: Made): Promise<void> {
  const { system, tell } = stage
  const { ask, sees, place, answers } = actions(stage)
  tell('demo', 'step', "product-service's consumer is killed: what it should hear waits for it")
  const left = await place(user, shirt, 7)
  await sees(left, { status: 'RESERVED' })
  await system.kill('product-service consumer')
  tell('product-service', 'stopped', 'kill -9 to its consumer')
  await answers(204, `${left}/cancel`)
  await sees(shirt, { stock: 91 })
  await system.start('product-service consumer')
  await sees(shirt, { stock: 98 })
  const last = await place(user, shirt, 1)
  await answers(204, `${last}/pay`)
  await sees(shirt, { stock: 97 })

  tell(
    'demo',
    'step',
    "query-service's consumer is killed, and a user gets a new name: the read model knows it once it is back, in every order",
  )
  await system.kill('query-service consumer')
  tell('query-service', 'stopped', 'kill -9 to its consumer')
  const renamed = await ask('PATCH', user, { name: 'João da Silva' })
  check(renamed.status === 204, `${user} is changed`)
  await system.start('query-service consumer')
  await sees(viewOf(first), { user: { ...buyer, name: 'João da Silva' } })
  await sees(viewOf(last), { status: 'PAID', user: { ...buyer, name: 'João da Silva' } })
}

/** The same thing in the read model. */
const viewOf = (location: string): string => location.replace('/api/v1/', '/q/')

const idIn = (location: string): number => Number(location.split('/').at(-1))

function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`this should be so and is not: ${what}`)
}

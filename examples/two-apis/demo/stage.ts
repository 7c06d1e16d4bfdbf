import type { Order } from '../orders-api/src/orders.ts'
import type { User } from '../users-api/src/users.ts'
import { look } from './ask.ts'
import type { Happening, LogLine } from './log-line.ts'
import type { Timeline } from './timeline.ts'
import type { TwoApis } from './two-apis.ts'
import { until } from './until.ts'

/** What every step of the story needs: the running system, and ways to see that something happened. */
export interface Stage {
  readonly apis: TwoApis
  readonly tell: Timeline['tell']
  readonly adminToken: string
  readonly firstRetryMs: number
  /** Waits until a process logs that this happened to a message. */
  happens(happening: Happening, where: Partial<LogLine>): Promise<LogLine>
  /** Waits for a row as the API shows it, and tells it. */
  user(id: number, what: string, as: (user: User) => boolean): Promise<User>
  order(userId: number, what: string, as: (order: Order) => boolean): Promise<Order>
}

export interface StageOptions {
  readonly tell: Timeline['tell']
  /** For the route that switches the payment gateway. */
  readonly adminToken: string
  /** As the orders consumer has it in PAYMENT_RETRY_FIRST_MS. */
  readonly firstRetryMs: number
}

export function stage(apis: TwoApis, { tell, adminToken, firstRetryMs }: StageOptions): Stage {
  const { urls, signal } = apis
  return {
    apis,
    tell,
    adminToken,
    firstRetryMs,
    happens: (happening, where) =>
      until(`${happening} ${JSON.stringify(where)} in the logs`, () => apis.happened(happening, where)[0], { signal }),
    user: async (id, what, as) => {
      const find = async (): Promise<User | undefined> => {
        const user = (await look(`${urls.users}/users/${id}`)) as User | undefined // users-api's own type
        return user && as(user) ? user : undefined
      }
      const user = await until(`user ${id}: ${what}`, find, { signal })
      tell('users-api', 'row', `user ${id}: ${what} (${user.email}, ${user.orders_count} orders, ${user.payments_count} payments)`)
      return user
    },
    order: async (userId, what, as) => {
      const find = async (): Promise<Order | undefined> => {
        const orders = (await look(`${urls.orders}/orders?user_id=${userId}`)) as readonly Order[] | undefined // orders-api's own type
        return orders?.find(as)
      }
      const order = await until(`an order of user ${userId}: ${what}`, find, { signal })
      tell(
        'orders-api',
        'row',
        `order ${order.id}: ${what} (${order.user_email}, total ${order.total}, ${order.status}, stock ${order.stock ?? 'unknown'})`,
      )
      return order
    },
  }
}

export function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`this should be so and is not: ${what}`)
}

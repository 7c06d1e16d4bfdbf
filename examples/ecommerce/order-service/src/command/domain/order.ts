import type { CancelReason, OrderStatus } from '@ecommerce/contracts'
import { Refused } from '@ecommerce/platform'

export interface OrderItem {
  readonly productId: number
  readonly quantity: number
  /** Cents. Undefined until product-service has said it. */
  readonly price?: number | undefined
}

export interface OrderState {
  readonly id: number
  readonly userId: number
  readonly items: readonly OrderItem[]
  readonly status: OrderStatus
  readonly reason?: CancelReason | undefined
  /** Cents. Undefined until product-service has said it. */
  readonly total?: number | undefined
  readonly createdAt: string
  readonly updatedAt: string
}

export interface Reserved {
  readonly prices: ReadonlyMap<number, number>
  readonly total: number
  readonly at: string
}

/** The error for a statement of product-service that contradicts what was decided here: no code can know which is right. */
export class Contradiction extends Error {
  override readonly name = 'Contradiction'
}

/**
 * PENDING -> RESERVED -> PAID, and CANCELED from the first two. This is the one place where that is decided: its row is held while it is, so of two who
 * decide at once one is second, and hears what the first has made of it.
 */
export class Order {
  #state: OrderState

  constructor(state: OrderState) {
    this.#state = state
  }

  static place({ at, ...placed }: Pick<OrderState, 'id' | 'userId' | 'items'> & { at: string }): Order {
    return new Order({ ...placed, status: 'PENDING', createdAt: at, updatedAt: at })
  }

  get state(): OrderState {
    return this.#state
  }

  /** Reserves the order at these prices. A canceled order learns its prices too, which may come behind its cancellation: nothing else becomes of it. */
  reserve({ prices, total, at }: Reserved): void {
    const items = this.#state.items.map((item) => ({ ...item, price: prices.get(item.productId) ?? item.price }))
    const priced = { ...this.#state, items, total }
    this.#state = this.#state.status === 'PENDING' ? { ...priced, status: 'RESERVED', updatedAt: at } : priced
  }

  /** @throws Refused not_reserved, already_paid, already_canceled */
  pay(at: string): void {
    const { id, status } = this.#state
    if (status === 'PENDING') throw new Refused('not_reserved', `the stock for order ${id} is not reserved yet: try again`)
    this.#refuseFinal()
    this.#state = { ...this.#state, status: 'PAID', updatedAt: at }
  }

  /** Cancels the order for its user. @throws Refused already_paid, already_canceled */
  cancel(at: string): void {
    this.#refuseFinal()
    this.#end('user', at)
  }

  /** Its time is over. Says whether that changes anything. */
  expire(at: string): boolean {
    if (this.#isFinal) return false
    this.#end('expired', at)
    return true
  }

  /**
   * Product-service has not enough. It may say so while the order is canceled here: then that is the reason all the same, so that everybody who hears of
   * both, in whatever order, ends with the same one.
   * @throws Contradiction for an order whose stock it has reserved
   */
  runOut(at: string): void {
    const { id, status } = this.#state
    if (status === 'RESERVED' || status === 'PAID') throw new Contradiction(`order ${id} is ${status}, and its stock is said to be missing`)
    this.#end('out_of_stock', at)
  }

  get #isFinal(): boolean {
    return this.#state.status === 'PAID' || this.#state.status === 'CANCELED'
  }

  #refuseFinal(): void {
    const { id, status, reason } = this.#state
    if (status === 'PAID') throw new Refused('already_paid', `order ${id} is paid`)
    if (status === 'CANCELED') throw new Refused('already_canceled', `order ${id} is canceled: ${reason}`)
  }

  #end(reason: CancelReason, at: string): void {
    this.#state = { ...this.#state, status: 'CANCELED', reason, updatedAt: at }
  }
}

import type { Product } from './product.ts'

/**
 * `reserved` until it is `sold` or `released`. `refused`: there was not enough. An order that was canceled before it came here is `released` at once.
 * Three of them are final.
 */
export type ReservationStatus = 'reserved' | 'refused' | 'released' | 'sold'

export interface Item {
  readonly productId: number
  readonly quantity: number
}

/** The error for a contradiction between what order-service has decided and what is here: no code can know which is right. */
export class Contradiction extends Error {
  override readonly name = 'Contradiction'
}

/** The items that are put aside for an order: all of them, or none. */
export class Reservation {
  readonly orderId: number
  readonly items: readonly Item[]
  #status: ReservationStatus
  #updatedAt: string

  constructor({ orderId, items, status, at }: { orderId: number; items: readonly Item[]; status: ReservationStatus; at: string }) {
    this.orderId = orderId
    this.items = items
    this.#status = status
    this.#updatedAt = at
  }

  /** Takes all items out of the products, or none of them when one is missing or has too little. */
  static of(order: { orderId: number; items: readonly Item[]; at: string }, products: ReadonlyMap<number, Product>): Reservation {
    const { items, at } = order
    if (!items.every(({ productId, quantity }) => products.get(productId)?.has(quantity)))
      return new Reservation({ ...order, items: [], status: 'refused' })
    for (const { productId, quantity } of items) products.get(productId)?.take(quantity, at)
    return new Reservation({ ...order, status: 'reserved' })
  }

  /** The order was canceled before it came here: when it comes, nothing is reserved for it. */
  static forCanceled(orderId: number, at: string): Reservation {
    return new Reservation({ orderId, items: [], status: 'released', at })
  }

  get status(): ReservationStatus {
    return this.#status
  }

  get updatedAt(): string {
    return this.#updatedAt
  }

  /** The order was paid. Twice is once. @throws Contradiction for what is not reserved any more, or never was */
  sell(at: string): void {
    if (this.#status === 'sold') return
    if (this.#status !== 'reserved') throw new Contradiction(`order ${this.orderId} is paid, and its reservation is ${this.#status}`)
    this.#turn('sold', at)
  }

  /** The order was canceled: gives its items back. Twice is once. @throws Contradiction for what is sold */
  release(products: ReadonlyMap<number, Product>, at: string): void {
    if (this.#status === 'sold') throw new Contradiction(`order ${this.orderId} is canceled, and its items are sold`)
    if (this.#status !== 'reserved') return
    for (const { productId, quantity } of this.items) products.get(productId)?.putBack(quantity, at)
    this.#turn('released', at)
  }

  #turn(status: ReservationStatus, at: string): void {
    this.#status = status
    this.#updatedAt = at
  }
}

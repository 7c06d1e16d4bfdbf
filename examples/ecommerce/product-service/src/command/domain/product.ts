export interface ProductState {
  readonly id: number
  readonly name: string
  /** Cents. */
  readonly price: number
  /** The number of pieces that can be sold: neither reserved nor sold. Never negative. */
  readonly stock: number
  /** Begins at 1 and grows with every change. */
  readonly version: number
  readonly createdAt: string
  readonly updatedAt: string
}

export interface ProductChange {
  readonly name?: string | undefined
  readonly price?: number | undefined
  readonly stock?: number | undefined
}

export class Product {
  #state: ProductState

  constructor(state: ProductState) {
    this.#state = state
  }

  static create({ at, ...given }: Pick<ProductState, 'id' | 'name' | 'price' | 'stock'> & { at: string }): Product {
    return new Product({ ...given, version: 1, createdAt: at, updatedAt: at })
  }

  get state(): ProductState {
    return this.#state
  }

  change({ name = this.#state.name, price = this.#state.price, stock = this.#state.stock }: ProductChange, at: string): void {
    this.#next({ name, price, stock }, at)
  }

  has(quantity: number): boolean {
    return this.#state.stock >= quantity
  }

  take(quantity: number, at: string): void {
    if (!this.has(quantity)) throw new RangeError(`product ${this.#state.id} has ${this.#state.stock}, not ${quantity}`)
    this.#next({ stock: this.#state.stock - quantity }, at)
  }

  putBack(quantity: number, at: string): void {
    this.#next({ stock: this.#state.stock + quantity }, at)
  }

  #next(change: Partial<ProductState>, at: string): void {
    this.#state = { ...this.#state, ...change, version: this.#state.version + 1, updatedAt: at }
  }
}

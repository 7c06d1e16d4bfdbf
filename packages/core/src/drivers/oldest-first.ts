/** Collects the first of many in one order, from several places one after another, and holds at most about two pages of them. */
export class OldestFirst<T> {
  readonly #limit: number
  readonly #inOrder: (one: T, other: T) => number
  #found: T[] = []
  /** What comes behind this is on no page. */
  #bound: T | undefined

  constructor(limit: number, inOrder: (one: T, other: T) => number) {
    this.#limit = limit
    this.#inOrder = inOrder
  }

  /** The first letter that is not on a page which is full. */
  get bound(): T | undefined {
    return this.#bound
  }

  /** @returns false for what comes behind a full page. What follows that in the order of its place does too, and need not be read. */
  add(one: T): boolean {
    if (this.#bound !== undefined && this.#inOrder(one, this.#bound) >= 0) return false
    this.#found.push(one)
    const most = this.#limit + 1
    if (this.#found.length === most || this.#found.length >= 2 * most) this.#cut()
    return true
  }

  /** The letters of the page in order, and whether there are more. */
  page(): { readonly found: readonly T[]; readonly isMore: boolean } {
    this.#cut()
    return { found: this.#found.slice(0, this.#limit), isMore: this.#found.length > this.#limit }
  }

  /** One more than a page is kept: it says that there is another. */
  #cut(): void {
    this.#found = this.#found.sort(this.#inOrder).slice(0, this.#limit + 1)
    if (this.#found.length > this.#limit) this.#bound = this.#found[this.#limit]
  }
}

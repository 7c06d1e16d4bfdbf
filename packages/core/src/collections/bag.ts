/** Something that can be in a bag: it knows its index there. */
export interface Indexed {
  index: number
}

/** What is under way, in no order; each may leave at any time. Costs less than a Set, and leaves a LinkedList to those that have an order. */
export class Bag<I extends Indexed> {
  #all: I[] = []

  get size(): number {
    return this.#all.length
  }

  add(one: I): void {
    one.index = this.#all.length
    this.#all.push(one)
  }

  /** What is not in it is let alone. */
  remove(one: I): void {
    if (this.#all[one.index] !== one) return
    const last = this.#all.pop() as I
    if (last === one) return
    this.#all[one.index] = last
    last.index = one.index
  }

  /** Takes all of them out. @returns what they were */
  clear(): readonly I[] {
    const all = this.#all
    this.#all = []
    return all
  }

  [Symbol.iterator](): Iterator<I> {
    return this.#all.values()
  }
}

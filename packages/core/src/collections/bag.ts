/** Something that can be in a bag: it knows its index there. */
export interface Indexed {
  index: number
}

/** A set of things that are under way, in no order; each may leave at any time. It costs less than a Set. A LinkedList is for things that have an order. */
export class Bag<I extends Indexed> {
  #all: I[] = []

  get size(): number {
    return this.#all.length
  }

  add(one: I): void {
    one.index = this.#all.length
    this.#all.push(one)
  }

  /** Does nothing where the thing is not in this bag. */
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

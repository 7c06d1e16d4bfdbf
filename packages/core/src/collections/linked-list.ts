/** Something that can be in a list: it knows its neighbours there. */
export interface Linked {
  previous: Linked | undefined
  next: Linked | undefined
}

/**
 * What is under way, in the order in which it came; each may leave at any time. A Map or a Set costs more here: it outgrows its table again and
 * again, and an outgrown table that has grown old keeps the next one, and all that was ever in it, until a full garbage collection.
 */
export class LinkedList<N extends Linked> {
  #first: N | undefined
  #last: N | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The one that came first of those that are here. */
  get first(): N | undefined {
    return this.#first
  }

  get last(): N | undefined {
    return this.#last
  }

  add(one: N): void {
    one.previous = this.#last
    if (this.#last) this.#last.next = one
    else this.#first = one
    this.#last = one
    this.#size++
  }

  /** It has to be in this list. */
  remove(one: N): void {
    const { previous, next } = one
    if (previous) previous.next = next
    else this.#first = next as N | undefined
    if (next) next.previous = previous
    else this.#last = previous as N | undefined
    // It may live on, and must not keep its neighbours.
    one.previous = undefined
    one.next = undefined
    this.#size--
  }

  /** Takes all of them out. @returns what they were */
  clear(): readonly N[] {
    const all = [...this]
    for (const one of all) {
      one.previous = undefined
      one.next = undefined
    }
    this.#first = undefined
    this.#last = undefined
    this.#size = 0
    return all
  }

  /** The one that is being looked at must not be removed before the next is asked for. */
  *[Symbol.iterator](): Generator<N, void, undefined> {
    for (let one = this.#first; one; one = one.next as N | undefined) yield one
  }
}

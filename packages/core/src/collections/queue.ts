const CHUNK = 1_024

interface Chunk<T> {
  readonly items: (T | undefined)[]
  first: number
  next: Chunk<T> | undefined
}

/**
 * First in, first out, in chunks: nothing is copied while it grows to a million, and what has left is kept by nothing here, not even by an array
 * that is garbage itself and has grown old.
 */
export class Queue<T> {
  length = 0
  #head: Chunk<T> = { items: [], first: 0, next: undefined }
  #tail: Chunk<T> = this.#head

  push(item: T): void {
    if (this.#tail.items.length >= CHUNK) this.#tail = this.#tail.next = { items: [], first: 0, next: undefined }
    this.#tail.items.push(item)
    this.length++
  }

  /** In front of everything, in the given order. */
  prepend(items: readonly T[]): void {
    if (items.length === 0) return
    this.#head = { items: [...items], first: 0, next: this.#head }
    this.length += items.length
  }

  peek(): T | undefined {
    return this.length === 0 ? undefined : (this.#headInUse().items[this.#head.first] as T)
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined
    const head = this.#headInUse()
    const item = head.items[head.first] as T
    head.items[head.first++] = undefined
    this.length--
    return item
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let chunk: Chunk<T> | undefined = this.#head; chunk; chunk = chunk.next)
      for (let i = chunk.first; i < chunk.items.length; i++) yield chunk.items[i] as T
  }

  /** Only while something is left: an exhausted chunk then has a next one. */
  #headInUse(): Chunk<T> {
    for (let { next } = this.#head; next && this.#head.first === this.#head.items.length; { next } = this.#head) {
      this.#head.next = undefined
      this.#head = next
    }
    return this.#head
  }
}

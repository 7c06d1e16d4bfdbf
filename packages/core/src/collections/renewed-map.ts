/** Deletions after which the table is left behind, beside one for each entry that has to be copied. */
const RENEWED_AFTER = 1_000

/**
 * A Map whose entries come and go for as long as the process lives. A Map outgrows its table again and again, and an outgrown table that has grown
 * old keeps the next one, and all that was ever in it, until a full garbage collection: here the chain ends now and then. Where nothing is looked up
 * by its key, a LinkedList costs less.
 */
export class RenewedMap<K, V> {
  #map = new Map<K, V>()
  #deleted = 0

  get size(): number {
    return this.#map.size
  }

  has(key: K): boolean {
    return this.#map.has(key)
  }

  get(key: K): V | undefined {
    return this.#map.get(key)
  }

  set(key: K, value: V): void {
    this.#map.set(key, value)
  }

  delete(key: K): boolean {
    if (!this.#map.delete(key)) return false
    if (++this.#deleted >= RENEWED_AFTER + this.#map.size) {
      this.#map = new Map(this.#map)
      this.#deleted = 0
    }
    return true
  }

  clear(): void {
    this.#map = new Map()
    this.#deleted = 0
  }

  keys(): MapIterator<K> {
    return this.#map.keys()
  }

  /** What is deleted while these are looked at may still come. */
  values(): MapIterator<V> {
    return this.#map.values()
  }

  [Symbol.iterator](): MapIterator<[K, V]> {
    return this.#map[Symbol.iterator]()
  }
}

import { Bag } from '../../collections/bag.ts'
import type { Delivery } from '../../driver.ts'
import type { Receipt } from './reader.ts'

/** What a reader has handed out and nobody has settled yet, up to its limit. */
export class Outstanding {
  /** Those of a partition are held by its range. */
  readonly #delayed = new Bag<Receipt>()
  #count = 0
  #limit: number
  /** The one that was out when its owner died: nothing else is handed out beside it, or it would take that along when it kills us too. */
  #suspect: Receipt | undefined

  constructor(limit: number) {
    this.#limit = limit
  }

  get limit(): number {
    return this.#limit
  }

  get isFull(): boolean {
    return this.#count >= this.#limit
  }

  /** So many more may be handed out. */
  get room(): number {
    return this.#suspect ? 0 : this.#limit - this.#count
  }

  limitTo(deliveries: number): void {
    this.#limit = deliveries
  }

  /** It is handed out, or it was settled in a transaction that is undone. */
  add(receipt: Receipt): void {
    if (receipt.range) receipt.range.hold(receipt)
    else this.#delayed.add(receipt)
    this.#count++
    if (receipt.delivery.unsettledBefore > 0) this.#suspect = receipt
  }

  /** It is settled, or it was handed out in a transaction that is undone. */
  remove(receipt: Receipt): void {
    if (receipt.range) receipt.range.letGo(receipt)
    else this.#delayed.remove(receipt)
    this.#forget(receipt)
  }

  /** These cannot be settled any more. @returns what they were */
  lose(receipts: Iterable<Receipt>): readonly Delivery[] {
    const lost: Delivery[] = []
    for (const receipt of receipts) {
      receipt.end()
      this.#forget(receipt)
      lost.push(receipt.delivery)
    }
    return lost
  }

  /** @returns what was out of those that were delayed */
  loseDelayed(): readonly Delivery[] {
    return this.lose(this.#delayed.clear())
  }

  #forget(receipt: Receipt): void {
    this.#count--
    if (this.#suspect === receipt) this.#suspect = undefined
  }
}

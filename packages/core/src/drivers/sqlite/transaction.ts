import { real } from '../../clock.ts'
/** One write transaction. Memory is changed along with the tables; what undoes it is kept until the commit. */
export class Transaction {
  readonly #undos: (() => void)[] = []
  readonly #afters: (() => void)[] = []
  readonly #flushes = new Set<() => void>()
  onRollback(undo: () => void): void {
    this.#undos.push(undo)
  }
  afterCommit(fn: () => void): void {
    this.#afters.push(fn)
  }
  /** Called once, last in the transaction, however often it is asked for. */
  beforeCommit(flush: () => void): void {
    this.#flushes.add(flush)
  }
  flush(): void {
    for (const flush of this.#flushes) flush()
  }
  undo(): void {
    for (const undo of this.#undos.reverse()) undo()
  }
  committed(): void {
    for (const fn of this.#afters) {
      try {
        fn()
      } catch (error) {
        // A callback of the core failed. What is committed stays so, and the others are called; the error is nobody's to catch.
        real.queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}

/** Thrown in a transaction by what finds that its memory is not what the file says. The rest is done again. */
export class Again extends Error {
  /** Called when the transaction is undone. */
  readonly putRight: () => void
  constructor(putRight: () => void) {
    super('again')
    this.putRight = putRight
  }
}

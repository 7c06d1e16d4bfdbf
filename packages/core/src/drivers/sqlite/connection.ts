import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { monotonic, real } from '../../clock.ts'
import type { Clock } from '../../driver.ts'
import { asError, CorebusError } from '../../errors.ts'
import { Alive } from './alive.ts'
import { brokerError, fileGone, fileLocked, isBusy, isMoved } from './failure.ts'
import { OpenFile, type Row } from './open-file.ts'
import { type Eater, Queue, type Work } from './queue.ts'
import { Again, Transaction } from './transaction.ts'

export interface ConnectionOptions {
  readonly path: string
  readonly clock: Clock
  /** Another connection has committed. */
  readonly onChange: () => void
  /** The file is no longer the one that was opened; `detach` has been called. */
  readonly onGone: (error: CorebusError) => void
  /** A transaction failed for a reason that concerns all of them, or (undefined) one went through. */
  readonly onHealth: (error: CorebusError | undefined) => void
}

const BUSY_WAIT_MS = 4
const EXPIRE_EVERY_MS = 50

/** The file and the order of its writes: what is waiting goes into one transaction, with all claims that are possible then. */
export class Connection {
  readonly path: string
  /** Grows whenever anything read before may have changed in the file, other than by our own commits. */
  generation = 0
  readonly #options: ConnectionOptions
  #file: OpenFile | undefined
  readonly #queue = new Queue()
  readonly #hungry = new Set<Eater>()
  #scheduled = false
  #cancelWait: (() => void) | undefined
  #cancelExpire: (() => void) | undefined
  readonly #alive = new Alive()
  #letGo: (() => void) | undefined
  #whyClosed: CorebusError
  #ended = false

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.path = options.path
    this.#whyClosed = new CorebusError('NOT_CONNECTED', `the broker's file ${options.path} is not open: call connect first`)
  }

  get isOpen(): boolean {
    return this.#file !== undefined
  }

  attach(db: DatabaseSync): void {
    this.#file = new OpenFile(db, this.path)
    this.generation++
    this.#schedule()
  }

  detach(why: CorebusError): void {
    this.#whyClosed = why
    this.#file?.close()
    this.#file = undefined
    this.generation++
    this.#expireLater()
  }

  /** What we know of the file is old, by our own doing. */
  changed(): void {
    this.generation++
    this.#options.onChange()
  }

  sql(text: string): StatementSync {
    return this.#open().sql(text)
  }

  rows(text: string, ...values: SQLInputValue[]): readonly Row[] {
    return this.#open().rows(text, values)
  }

  row(text: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#open().row(text, ...values)
  }

  /** Returns how many rows it changed. */
  run(text: string, ...values: SQLInputValue[]): number {
    return Number(this.sql(text).run(...values).changes)
  }

  submit(work: Work): void {
    if (this.#ended) {
      work.fail(this.#whyClosed)
      return
    }
    this.#queue.push(work)
    if (!this.#file) this.#expireLater()
    this.#schedule()
  }

  /** `run` in a transaction of its own turn; rejects with why it could not. */
  write<T>(
    run: (tx: Transaction) => T,
    { rows = 1, until = Number.POSITIVE_INFINITY }: { rows?: number; until?: number } = {},
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const work = (tx: Transaction, result = run(tx)) => tx.afterCommit(() => resolve(result))
      this.submit({ rows, until, run: (tx) => work(tx), fail: reject })
    })
  }

  hungry(eater: Eater): void {
    this.#hungry.add(eater)
    this.#schedule()
  }

  notHungry(eater: Eater): void {
    this.#hungry.delete(eater)
  }

  /** Reads without a transaction; waits while another process recovers or closes the file. */
  async read<T>(fn: () => T, until: number): Promise<T> {
    for (;;) {
      try {
        return fn()
      } catch (error) {
        const passing = isBusy(error) || isMoved(error) || error === this.#whyClosed
        if (!passing || monotonic(this.#options.clock) >= until) throw brokerError(error, this.path)
        await new Promise<void>((resolve) => setTimeout(resolve, 1 + Math.random() * BUSY_WAIT_MS))
      }
    }
  }

  /** Cheap. Tells `onChange` when another connection has committed since the last time. */
  notice(): void {
    if (!this.#file?.hasChanged()) return
    this.generation++
    this.#options.onChange()
  }

  /** Once a second: a file that was deleted or replaced takes with it what is written to it. */
  checkFile(): void {
    if (this.#file && !(this.#file.isInPlace() && this.#file.hasItsWal())) this.abandon(fileGone(this.path))
  }

  /** Lets go of a file that cannot be relied on any more. */
  abandon(error: CorebusError): void {
    this.detach(error)
    this.#options.onGone(error)
  }

  /** For good. */
  end(error: CorebusError): void {
    this.detach(error)
    this.#ended = true
    this.#cancelWait?.()
    this.#cancelWait = undefined
    this.#cancelExpire?.()
    this.#cancelExpire = undefined
    this.#letDie()
    this.#hungry.clear()
    this.#queue.failAll(error)
  }

  #open(): OpenFile {
    if (!this.#file) throw this.#whyClosed
    return this.#file
  }

  #schedule(): void {
    if (this.#scheduled || this.#cancelWait || !this.#file) return
    this.#scheduled = true
    // Not a microtask: what handlers and publishers do in one round of the event loop becomes one transaction.
    real.setImmediate(() => {
      this.#scheduled = false
      this.#turn()
    })
  }

  #turn(): void {
    this.#expire()
    if (!this.#file || this.#cancelWait) return
    const works = this.#queue.take()
    if (works.length === 0 && this.#hungry.size === 0) {
      this.#letDie()
      return
    }
    const failure = this.#transact(works, true)
    if (failure !== undefined) this.#afterFailure(works, failure)
    else this.#options.onHealth(undefined)
    if (this.#queue.length > 0 || this.#hungry.size > 0) this.#schedule()
    else this.#letDie()
  }

  /** Returns what went wrong; then nothing has happened, in the file or in memory. */
  #transact(works: readonly Work[], claiming: boolean): Error | undefined {
    const tx = new Transaction()
    const eaten: Eater[] = []
    let begun = false
    try {
      this.run('BEGIN IMMEDIATE')
      begun = true
      this.notice()
      for (const work of works) work.run(tx)
      // Works make eaters hungry: what was just published or made room for is handed out in the same transaction.
      if (claiming) {
        eaten.push(...this.#hungry)
        this.#hungry.clear()
        for (const eater of eaten) eater.eat(tx)
      }
      tx.flush()
      if (!this.#open().isInPlace()) throw fileGone(this.path)
      this.run('COMMIT')
    } catch (error) {
      if (begun) this.#file?.rollback()
      tx.undo()
      for (const eater of eaten) this.#hungry.add(eater)
      this.generation++
      return asError(error)
    }
    tx.committed()
    return undefined
  }

  #afterFailure(works: readonly Work[], failure: Error): void {
    if (isBusy(failure)) {
      this.#queue.putBack(works)
      this.#wait()
      return
    }
    if (failure instanceof Again) {
      this.#queue.putBack(works)
      failure.putRight()
      return
    }
    if (isMoved(failure)) {
      this.#queue.putBack(works)
      this.abandon(fileGone(this.path))
      return
    }
    this.#isolate(works, failure)
  }

  /** One that cannot be written must not take the others with it. */
  #isolate(works: readonly Work[], failure: Error): void {
    let fault: Error | undefined = works.length === 0 ? failure : undefined
    for (const [i, work] of works.entries()) {
      const own = works.length === 1 && this.#hungry.size === 0 ? failure : this.#transact([work], false)
      if (own === undefined) continue
      if (isBusy(own) || isMoved(own) || own instanceof Again) {
        this.#afterFailure(works.slice(i), own)
        return
      }
      fault = own
      work.fail(brokerError(own, this.path))
    }
    const eaters = [...this.#hungry]
    const eating = eaters.length === 0 ? undefined : works.length === 0 ? failure : this.#transact([], true)
    if (eating && !isBusy(eating) && !isMoved(eating) && !(eating instanceof Again)) {
      // Not again at once: whoever looks after the connection makes them hungry every second.
      this.#hungry.clear()
      for (const eater of eaters) eater.trouble(brokerError(eating, this.path))
      fault = eating
    }
    this.#options.onHealth(fault && brokerError(fault, this.path))
  }

  #wait(): void {
    this.#stayAlive()
    this.#cancelWait = this.#options.clock.after(1 + Math.random() * BUSY_WAIT_MS, () => {
      this.#cancelWait = undefined
      this.#turn()
    })
  }

  #expire(): void {
    this.#queue.expire(monotonic(this.#options.clock), () => (this.#file ? fileLocked(this.path) : this.#whyClosed))
  }

  /** While there is no file, nobody else looks at the clock. */
  #expireLater(): void {
    if (this.#file || this.#cancelExpire || this.#queue.length === 0) return
    this.#stayAlive()
    this.#cancelExpire = this.#options.clock.after(EXPIRE_EVERY_MS, () => {
      this.#cancelExpire = undefined
      this.#expire()
      this.#expireLater()
      if (this.#queue.length === 0) this.#letDie()
    })
  }

  #stayAlive(): void {
    this.#letGo ??= this.#alive.hold()
  }

  #letDie(): void {
    this.#letGo?.()
    this.#letGo = undefined
  }
}

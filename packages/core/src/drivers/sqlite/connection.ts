import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import type { Clock } from '../../driver.ts'
import { asError, CorebusError } from '../../errors.ts'
import { brokerError, fileGone, fileLocked, isBusy, isMoved } from './failure.ts'
import { type Identity, identityOf } from './file.ts'
import { Again, Transaction } from './transaction.ts'

export type Row = readonly unknown[]

/** Something to be written. Runs again when the transaction it was part of could not commit. */
export interface Work {
  /** About how many rows it writes. */
  readonly rows: number
  /** When it is given up, in ms since the epoch. */
  readonly until: number
  run(tx: Transaction): void
  fail(error: CorebusError): void
}

/** What takes messages when there are some: asked in every transaction it has called `hungry` before. */
export interface Eater {
  eat(tx: Transaction): void
  trouble(error: CorebusError): void
}

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

/** Writing more at once would keep other processes, and this one's event loop, waiting. */
const ROWS_PER_TURN = 1_000
const BUSY_WAIT_MS = 4
const EXPIRE_EVERY_MS = 50

/** The file and the order of its writes: what is waiting goes into one transaction, with all claims that are possible then. */
export class Connection {
  readonly path: string
  /** Grows whenever anything read before may have changed in the file, other than by our own commits. */
  generation = 0
  readonly #options: ConnectionOptions
  readonly #statements = new Map<string, StatementSync>()
  #db: DatabaseSync | undefined
  #identity: Identity | undefined
  #walIdentity: Identity | undefined
  #seenVersion: unknown
  #queue: Work[] = []
  #hungry = new Set<Eater>()
  #scheduled = false
  #cancelWait: (() => void) | undefined
  #cancelExpire: (() => void) | undefined
  #alive: NodeJS.Timeout | undefined
  #whyClosed: CorebusError
  #ended = false

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.path = options.path
    this.#whyClosed = new CorebusError('NOT_CONNECTED', `the broker's file ${options.path} is not open: call connect first`)
  }

  get isOpen(): boolean {
    return this.#db !== undefined
  }

  get pending(): number {
    return this.#queue.length
  }

  attach(db: DatabaseSync): void {
    this.#db = db
    this.#identity = identityOf(this.path)
    this.#walIdentity = identityOf(`${this.path}-wal`)
    this.generation++
    this.#schedule()
  }

  detach(why: CorebusError): void {
    this.#whyClosed = why
    this.#statements.clear()
    this.#db?.close()
    this.#db = undefined
    this.generation++
    this.#expireLater()
  }

  /** What we know of the file is old, by our own doing. */
  changed(): void {
    this.generation++
    this.#options.onChange()
  }

  /** Every statement is prepared once. */
  sql(text: string): StatementSync {
    const known = this.#statements.get(text)
    if (known) return known
    if (!this.#db) throw this.#whyClosed
    const statement = this.#db.prepare(text)
    statement.setReturnArrays(true)
    this.#statements.set(text, statement)
    return statement
  }

  rows(text: string, ...values: SQLInputValue[]): readonly Row[] {
    return this.sql(text).all(...values) as unknown as readonly Row[]
  }

  row(text: string, ...values: SQLInputValue[]): Row | undefined {
    return this.sql(text).get(...values) as unknown as Row | undefined
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
    if (!this.#db) this.#expireLater()
    this.#schedule()
  }

  /** `run` in a transaction of its own turn; rejects with why it could not. */
  write<T>(
    run: (tx: Transaction) => T,
    { rows = 1, until = Number.POSITIVE_INFINITY }: { rows?: number; until?: number } = {},
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const work = (tx: Transaction) => {
        const result = run(tx)
        tx.afterCommit(() => resolve(result))
      }
      this.submit({ rows, until, run: work, fail: reject })
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
        if (!passing || this.#options.clock.now() >= until) throw brokerError(error, this.path)
        await new Promise<void>((resolve) => setTimeout(resolve, 1 + Math.random() * BUSY_WAIT_MS))
      }
    }
  }

  /** Cheap. Tells `onChange` when another connection has committed since the last time. */
  notice(): void {
    if (!this.#db) return
    const version = this.row('PRAGMA data_version')?.[0]
    if (version === this.#seenVersion) return
    this.#seenVersion = version
    this.generation++
    this.#options.onChange()
  }

  /** Once a second: a file that was deleted or replaced takes with it what is written to it. */
  checkFile(): void {
    if (!this.#db) return
    const walGone = this.#walIdentity !== undefined && identityOf(`${this.path}-wal`) !== this.#walIdentity
    if (walGone || identityOf(this.path) !== this.#identity) this.abandon(fileGone(this.path))
  }

  /** Lets go of a file that cannot be relied on any more. */
  abandon(error: CorebusError): void {
    this.detach(error)
    this.#options.onGone(error)
  }

  /** Gives up what has waited too long. */
  expire(): void {
    const now = this.#options.clock.now()
    if (!this.#queue.some((work) => work.until <= now)) return
    const late = this.#queue.filter((work) => work.until <= now)
    this.#queue = this.#queue.filter((work) => work.until > now)
    for (const work of late) work.fail(this.isOpen ? fileLocked(this.path) : this.#whyClosed)
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
    const rest = this.#queue
    this.#queue = []
    for (const work of rest) work.fail(error)
  }

  #schedule(): void {
    if (this.#scheduled || this.#cancelWait || !this.#db) return
    this.#scheduled = true
    // Not a microtask: what handlers and publishers do in one round of the event loop becomes one transaction.
    setImmediate(() => {
      this.#scheduled = false
      this.#turn()
    })
  }

  #turn(): void {
    this.expire()
    if (!this.#db || this.#cancelWait) return
    const works = this.#take()
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

  #take(): Work[] {
    let rows = 0
    let count = 0
    for (const work of this.#queue) {
      if (count > 0 && rows + work.rows > ROWS_PER_TURN) break
      rows += work.rows
      count++
    }
    return this.#queue.splice(0, count)
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
      if (identityOf(this.path) !== this.#identity) throw fileGone(this.path)
      this.run('COMMIT')
    } catch (error) {
      if (begun) this.#rollback()
      tx.undo()
      for (const eater of eaten) this.#hungry.add(eater)
      this.generation++
      return asError(error)
    }
    tx.committed()
    return undefined
  }

  #rollback(): void {
    try {
      this.run('ROLLBACK')
    } catch {
      // SQLite has rolled back by itself, as it does when the disk is full.
    }
  }

  #afterFailure(works: readonly Work[], failure: Error): void {
    if (isBusy(failure)) {
      this.#queue.unshift(...works)
      this.#wait()
      return
    }
    if (failure instanceof Again) {
      this.#queue.unshift(...works)
      failure.putRight()
      return
    }
    if (isMoved(failure)) {
      this.#queue.unshift(...works)
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

  /** While there is no file, nobody else looks at the clock. */
  #expireLater(): void {
    if (this.#db || this.#cancelExpire || this.#queue.length === 0) return
    this.#stayAlive()
    this.#cancelExpire = this.#options.clock.after(EXPIRE_EVERY_MS, () => {
      this.#cancelExpire = undefined
      this.expire()
      this.#expireLater()
      if (this.#queue.length === 0) this.#letDie()
    })
  }

  // The clock's timers do not keep the process alive, but a publish that waits for a lock must.
  #stayAlive(): void {
    this.#alive ??= setInterval(() => {}, 60_000)
  }

  #letDie(): void {
    clearInterval(this.#alive)
    this.#alive = undefined
  }
}

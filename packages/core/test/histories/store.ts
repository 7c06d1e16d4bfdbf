import type { Inbox, Outbox, OutboxMessage } from '../../src/scope/companion.ts'
import { currentScope } from '../../src/scope/scope.ts'
import type { Session } from '../../src/scope/session.ts'
import type { Run } from './copy.ts'
import type { Ledger } from './ledger.ts'

/** A transaction: what is done in it is there when it has committed. */
export interface Tx {
  readonly owner: Owner
  run: Run | undefined
  /** When it was there. */
  since: number
  /** The number of the copy that it was opened for. */
  readonly copy: string | undefined
  readonly marks: string[]
  readonly written: OutboxMessage[]
  readonly ended: PromiseWithResolvers<void>
  /** Called with its end. */
  onEnd: ((committed: boolean) => void) | undefined
}

/** Whose transaction it is: a process, which may die. */
export interface Owner {
  readonly name: string
  /** Resolves when it is its turn. Never in a process that is dead. */
  turn(what: string): Promise<void>
}

/** The database of all members: transactions that end when the history says so, an inbox that waits for those that are undecided, and rows of an outbox. */
export class Store {
  readonly marks = new Set<string>()
  rows: { readonly message: OutboxMessage['message']; relay: string | undefined }[] = []
  readonly #open = new Set<Tx>()
  readonly #ledger: () => Pick<Ledger, 'commits' | 'isOver' | 'isUncalled' | 'now'>

  constructor(ledger: () => Pick<Ledger, 'commits' | 'isOver' | 'isUncalled' | 'now'>) {
    this.#ledger = ledger
  }

  session(owner: Owner): Session<Tx> {
    return async (work) => {
      const copy = currentScope()?.derivesFrom?.headers.copy
      const tx: Tx = { owner, copy, run: undefined, since: 0, marks: [], written: [], ended: Promise.withResolvers(), onEnd: undefined }
      this.#open.add(tx)
      try {
        await owner.turn('begins a transaction')
        tx.since = this.#ledger().now()
        const result = await work(tx)
        await owner.turn('commits')
        this.#commit(tx)
        await owner.turn('has committed')
        return result
      } catch (thrown) {
        await owner.turn('rolls back')
        this.#end(tx, false)
        throw thrown
      }
    }
  }

  inbox(): Inbox<Tx> {
    return {
      firstTime: async (tx, group, { id }) => {
        const mark = `${group} ${id}`
        for (;;) {
          if (this.marks.has(mark)) return false
          const holder = [...this.#open].find(({ marks }) => marks.includes(mark))
          if (!holder) {
            tx.marks.push(mark)
            return true
          }
          await holder.ended.promise
          await tx.owner.turn('asks the inbox again')
        }
      },
    }
  }

  outbox(owner: Owner): Outbox<Tx> & { relay(): void } {
    let publish: ((messages: readonly OutboxMessage['message'][]) => Promise<void>) | undefined
    const relay = (): void => {
      for (const row of this.rows) {
        if (row.relay !== undefined || !publish) continue
        row.relay = owner.name
        publish([row.message]).then(
          () => {
            this.rows = this.rows.filter((other) => other !== row)
          },
          () => {
            row.relay = undefined
          },
        )
      }
    }
    return {
      attach: (host) => {
        publish = (messages) => host.publish(messages)
        return { begin: relay, close: async () => undefined }
      },
      write: async (tx, messages) => void tx?.written.push(...messages),
      committed: relay,
      relay,
    }
  }

  /** Its process is dead: the database ends what was open, and another relay has its rows. */
  abandon(owner: string): void {
    for (const tx of this.#open) if (tx.owner.name === owner) this.#end(tx, false)
    for (const row of this.rows) if (row.relay === owner) row.relay = undefined
  }

  #commit(tx: Tx): void {
    for (const mark of tx.marks) this.marks.add(mark)
    for (const { message } of tx.written) this.rows.push({ message, relay: undefined })
    if (tx.run) this.#ledger().commits(tx.run)
    this.#end(tx, true)
  }

  #end(tx: Tx, committed: boolean): void {
    this.#open.delete(tx)
    if (tx.run) this.#ledger().isOver(tx.run, committed)
    else if (tx.copy !== undefined && !committed) this.#ledger().isUncalled(Number(tx.copy))
    tx.onEnd?.(committed)
    tx.ended.resolve()
  }
}

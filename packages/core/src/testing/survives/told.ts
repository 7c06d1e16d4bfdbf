import type { Message } from '../../driver.ts'
import type { OutboxMessage } from '../../scope/companion.ts'

export interface Published {
  readonly message: Message
  readonly due?: OutboxMessage['due']
}

/** The messages that a session writes into the outbox, which leave with the commit. */
export interface Written {
  /** The session has begun, perhaps not for the first time: what an earlier try wrote was rolled back. */
  begin(db: unknown): void
  commit(): void
}

export interface Called {
  readonly name: string
  readonly args: readonly unknown[]
}

/** The effects that the runs of one history had on the world, but for its rows. */
export class Told {
  readonly calls: Called[] = []
  /** The messages by id: who receives one twice under one id knows it. */
  readonly published: Map<string, Published> = new Map()
  /** Requests that went out past everything that is watched. */
  readonly requests: Set<string> = new Set()
  readonly #open: Set<{ db: unknown; messages: readonly OutboxMessage[] }> = new Set()

  call(name: string, args: readonly unknown[]): void {
    this.calls.push({ name, args })
  }

  publish(one: Published): void {
    if (!this.published.has(one.message.id)) this.published.set(one.message.id, one)
  }

  openSession(): Written {
    const open = { db: undefined as unknown, messages: [] as readonly OutboxMessage[] }
    return {
      begin: (db) => {
        open.db = db
        open.messages = []
        // Behind the others: one connection is given to session after session, and an earlier one may just have committed.
        this.#open.delete(open)
        this.#open.add(open)
      },
      commit: () => {
        for (const one of open.messages) this.publish(one)
      },
    }
  }

  /** Into the outbox: in the transaction of a session that is open, or in one that nobody here knows. */
  write(db: unknown, messages: readonly OutboxMessage[]): void {
    const open = [...this.#open].findLast((one) => one.db === db)
    if (open) open.messages = [...open.messages, ...messages]
    else for (const one of messages) this.publish(one)
  }

  /** Takes back what waits to be written. False when it is not there. */
  cancel(id: string): boolean {
    for (const open of this.#open) {
      const left = open.messages.filter(({ message }) => message.id !== id)
      if (left.length < open.messages.length) {
        open.messages = left
        return true
      }
    }
    return this.published.delete(id)
  }
}

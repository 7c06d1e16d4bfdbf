import type { Attached, Companion, Host, Inbox, Outbox, OutboxMessage } from '../src/scope/companion.ts'
import type { Session, Sessions } from '../src/scope/session.ts'

/** A transaction of the store below. */
export interface Tx {
  readonly n: number
  readonly rows: unknown[]
  readonly written: OutboxMessage[]
  readonly marks: string[]
}

/** A database in memory: what a transaction does is there when it has committed. Every step is in `log`. */
export interface Store {
  readonly sessions: Sessions<Tx>
  readonly outbox: Outbox<Tx> & { readonly host: () => Host | undefined }
  readonly inbox: Inbox<Tx>
  readonly rows: unknown[]
  readonly written: OutboxMessage[]
  readonly marks: Set<string>
  readonly log: string[]
  /** The names of the events that were written and committed. */
  names(): readonly string[]
}

export const nameOf = ({ message }: OutboxMessage): string => message.event ?? ''

export interface StoreOptions {
  readonly required?: boolean
  /** How often the work of each transaction is run again, as after a conflict that its commit meets. */
  readonly conflicts?: number
  readonly attached?: Partial<Attached>
}

export function storeInMemory({ required, conflicts = 0, attached }: StoreOptions = {}): Store {
  const log: string[] = []
  const rows: unknown[] = []
  const written: OutboxMessage[] = []
  const marks = new Set<string>()
  let transactions = 0
  let host: Host | undefined

  function commit(tx: Tx): void {
    rows.push(...tx.rows)
    written.push(...tx.written)
    for (const mark of tx.marks) marks.add(mark)
    log.push('commit')
  }

  const write: Session<Tx> = async (work) => {
    for (let again = conflicts; ; again--) {
      const tx: Tx = { n: ++transactions, rows: [], written: [], marks: [] }
      try {
        const result = await work(tx)
        if (again > 0) continue
        commit(tx)
        return result
      } catch (thrown) {
        log.push('rollback')
        throw thrown
      }
    }
  }

  async function writeOutbox(db: Tx | undefined, messages: readonly OutboxMessage[]): Promise<void> {
    log.push(`write ${messages.map(nameOf).join(' ')}${db ? '' : ' by itself'}`)
    ;(db?.written ?? written).push(...messages)
  }

  const attach: Companion['attach'] = (given) => {
    host = given
    log.push('attach')
    return {
      begin: () => void log.push('begin'),
      close: async () => void log.push('close'),
      ...attached,
    }
  }
  return {
    sessions: { write, read: async (work) => work({ n: 0, rows: [], written: [], marks: [] }) },
    outbox: {
      ...(required !== undefined && { required }),
      host: () => host,
      attach,
      write: writeOutbox,
      committed: () => void log.push('committed'),
      cancel: async (db, id) => {
        log.push(`cancel ${id}${db ? '' : ' by itself'}`)
        const at = written.findIndex(({ message, due }) => due !== undefined && message.id === id)
        if (at >= 0) written.splice(at, 1)
        return at >= 0
      },
    },
    inbox: {
      firstTime: async (tx, group, { topic, id }) => {
        const mark = `${group} ${topic} ${id}`
        const first = !marks.has(mark) && !tx.marks.includes(mark)
        if (first) tx.marks.push(mark)
        return first
      },
    },
    rows,
    written,
    marks,
    log,
    names: () => written.map(nameOf),
  }
}

import type { SqlTx } from '@corebus/sql'
import type { Shape } from './collection.ts'
import type { Plan } from './query.ts'
import type { Fields, State } from './state.ts'

/** A collection where it is kept. A projection that is rebuilt has two of each. */
export interface Place {
  readonly name: string
  readonly shape: Shape
}

/** A document that was found. */
export interface Found {
  readonly id: string
  readonly fields: Fields
}

/** Documents, in a transaction or as they are. */
export interface Documents {
  /** `lock`: no other transaction changes it before this one ends, also when it is not there yet. Stores without transactions need not. */
  get(place: Place, id: string, options?: { readonly lock?: boolean }): Promise<State | undefined>
  /**
   * Reads a document and writes what `change` makes of it, with nobody else's change in between. Nothing is written where it makes undefined. `change` may
   * be called again, and must do nothing else. Returns whether something was written.
   */
  change(place: Place, id: string, change: (state: State) => State | undefined): Promise<boolean>
  /** At most `plan.limit` and one more. */
  find(place: Place, plan: Plan): Promise<readonly Found[]>
}

/** A store in which read models are kept. */
export interface DocumentStore {
  /** The place where it is, without secrets, for messages to people. */
  readonly where: string
  /** Its documents are written in the transaction that they are opened with. Else each is written by itself, and what was read is looked at again. */
  readonly transactional: boolean
  /** Makes a collection with its indexes. Safe to call for one that is there. */
  create(place: Place): Promise<void>
  /** Drops a collection with its documents. Safe to call for one that is not there. */
  drop(name: string): Promise<void>
  /** How many documents readers are shown. */
  count(name: string): Promise<number>
  documents(tx: SqlTx): Documents
}

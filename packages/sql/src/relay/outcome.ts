import type { OutboxRow } from './rows.ts'

/** What became of the rows of a turn. Those that are in neither list stay where they are. */
export interface Outcome {
  readonly confirmed: readonly OutboxRow[]
  /** The broker will never take them as they are. */
  readonly refused: readonly { readonly row: OutboxRow; readonly cause: Error }[]
  /** Why others were not published. */
  readonly trouble?: Error | undefined
  /** Topics of which the broker took nothing at the moment, where it says so of each message. */
  readonly away?: readonly string[] | undefined
  /** Not published because their key waits. */
  readonly behind?: readonly OutboxRow[]
}

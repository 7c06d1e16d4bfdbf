import type { Channel } from 'amqplib'
import type { Acks } from './acks.ts'
import type { Credit } from './credit.ts'

/** What belongs to one channel of a reader and ends with it. */
export interface Line {
  readonly channel: Channel
  readonly credit: Credit
  readonly acks: Acks
  /** The latest tag so far. */
  newest: number
  /** The tag of its consumer. */
  consumer: string
  open: boolean
}

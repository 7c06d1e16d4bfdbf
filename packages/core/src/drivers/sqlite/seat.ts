import type { Clock } from '../../driver.ts'
import type { Connection } from './connection.ts'
import type { Topic } from './topics.ts'

/** One member's seat in one (group, topic): what never changes of a reader. */
export interface Seat {
  readonly connection: Connection
  readonly clock: Clock
  readonly group: string
  readonly topic: Topic
  /** Without the prefix. */
  readonly topicName: string
  readonly member: number
}

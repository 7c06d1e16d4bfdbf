import { real } from '../../clock.ts'
import type { Clock, Message } from '../../driver.ts'
import type { Connection } from './connection.ts'
import { PARTITIONS } from './schema.ts'
import { decodeMessage, STORED } from './stored.ts'
import { numberOf, partId, rowOf, type Topic, type Topics } from './topics.ts'

export interface TailOptions {
  readonly connection: Connection
  readonly topics: Topics
  readonly clock: Clock
  /** As stored. */
  readonly stored: string
  readonly topic: string
  readonly from: 'now' | 'earliest'
  readonly onMessages: (messages: readonly Message[]) => void
}

export interface Tail {
  /** Notes where it begins. */
  begin(): void
  /** Reads on, some at a time. */
  pump(): void
  /** Begins anew, in a new file. */
  restart(): void
  stop(): void
}

const ROWS_AT_ONCE = 256
const SELECTS = Array.from(
  { length: PARTITIONS },
  (_, part) => `SELECT seq, ${STORED} FROM log_${part} WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT ${ROWS_AT_ONCE}`,
)

/** Sees what is stored, takes nothing: a cursor per partition in memory. */
export function openTail({ connection, topics, stored, topic: name, from, onMessages }: TailOptions): Tail {
  let cursors: number[] | undefined
  let scheduled = false
  let stopped = false

  /** A topic made later is read from its start. */
  function begin(): Topic | undefined {
    const topic = topics.find(stored)
    if (topic) topics.refresh(topic)
    if (cursors) return topic
    if (!topic) cursors = new Array<number>(PARTITIONS).fill(0)
    else cursors = from === 'now' ? [...topic.heads] : bases(topic)
    return topic
  }

  function bases(topic: Topic): number[] {
    const first = partId(topic, 0)
    return connection
      .rows('SELECT base FROM parts WHERE part_id BETWEEN ? AND ? ORDER BY part_id', first, first + PARTITIONS - 1)
      .map(([base]) => Number(base))
  }

  function readSome(): boolean {
    const topic = begin()
    if (!topic || !cursors) return false
    let more = false
    for (let part = 0; part < PARTITIONS; part++) {
      const cursor = cursors[part] as number
      const head = topic.heads[part] as number
      if (cursor >= head || stopped) continue
      const rows = connection.rows(SELECTS[part] as string, rowOf(topic, cursor), rowOf(topic, head))
      const full = rows.length === ROWS_AT_ONCE
      cursors[part] = full ? numberOf(rows.at(-1)?.[0] as number) + 1 : head
      more ||= full
      if (rows.length > 0) onMessages(rows.map((row) => decodeMessage(row, 1, name)))
    }
    return more
  }

  function pump(): void {
    if (scheduled || stopped) return
    scheduled = true
    real.setImmediate(() => {
      scheduled = false
      if (stopped || !connection.isOpen) return
      // A read that finds the file busy is made up for with the next look, a second later at most.
      void connection.read(readSome, 0).then(
        (more) => more && pump(),
        () => {},
      )
    })
  }

  return {
    begin,
    pump,
    restart() {
      cursors = new Array<number>(PARTITIONS).fill(0)
      pump()
    },
    stop() {
      stopped = true
    },
  }
}

import type { Depth, Driver, LetterTarget, SharedDelay } from '../driver.ts'
import { figuresOf, type GroupFigures, notesOf } from './group-figures.ts'

/** One group of one topic. A topic that no group reads has a row without one: what it keeps waits for the first. */
export interface Row extends Partial<Depth>, Partial<GroupFigures> {
  readonly topic: string
  readonly group: string | null
  readonly kept?: number
  /** The exchange, stream or topic of others that the group's dead letters go to. `dead` does not count them. */
  readonly lettersTo?: LetterTarget
  /** Where `delayed` cannot be told of this row alone: what waits together with what is its own. */
  readonly delayedTogether?: readonly SharedDelay[]
}

/** All of them by name, or those of the topics asked for. */
export async function rowsOf(driver: Driver, only?: readonly string[]): Promise<readonly Row[]> {
  const { admin } = driver
  const topics = [...(await admin.topics(only))].sort((a, b) => (a.topic < b.topic ? -1 : 1))
  const all = [...new Set(topics.flatMap(({ groups }) => groups))]
  const notes = new Map(await Promise.all(all.map(async (group) => [group, await notesOf(driver, group)] as const)))
  const shared = (await admin.sharedDelays?.()) ?? []
  const rows: Row[] = []
  for (const { topic, groups, kept, lettersTo = {} } of topics) {
    const known = kept === undefined ? {} : { kept }
    if (groups.length === 0) rows.push({ topic, group: null, ...known })
    for (const group of [...groups].sort()) {
      const told = notes.get(group)
      const depth = await admin.depth(topic, group)
      const delayedTogether = depth.delayed === undefined ? shared.filter((one) => (one.group ?? group) === group) : []
      const together = delayedTogether.length > 0 ? { delayedTogether } : {}
      const to = lettersTo[group]
      rows.push({ topic, group, ...known, ...depth, ...(to && { lettersTo: to }), ...together, ...(told && figuresOf(told, topic)) })
    }
  }
  return rows
}

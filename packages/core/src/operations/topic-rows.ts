import type { Depth, Driver } from '../driver.ts'
import { figuresOf, type GroupFigures, notesOf } from './group-figures.ts'

/** One group of one topic. A topic that no group reads has a row without one: what it keeps waits for the first. */
export interface Row extends Partial<Depth>, Partial<GroupFigures> {
  readonly topic: string
  readonly group: string | null
  readonly kept?: number
}

/** All of them by name, or those of the topics asked for. */
export async function rowsOf(driver: Driver, only?: readonly string[]): Promise<readonly Row[]> {
  const { admin } = driver
  const topics = [...(await admin.topics(only))].sort((a, b) => (a.topic < b.topic ? -1 : 1))
  const all = [...new Set(topics.flatMap(({ groups }) => groups))]
  const notes = new Map(await Promise.all(all.map(async (group) => [group, await notesOf(driver, group)] as const)))
  const rows: Row[] = []
  for (const { topic, groups, kept } of topics) {
    const known = kept === undefined ? {} : { kept }
    if (groups.length === 0) rows.push({ topic, group: null, ...known })
    for (const group of [...groups].sort()) {
      const told = notes.get(group)
      rows.push({ topic, group, ...known, ...(await admin.depth(topic, group)), ...(told && figuresOf(told, topic)) })
    }
  }
  return rows
}

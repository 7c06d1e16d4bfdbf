import type { Admin, DeadLetter, DeadLetterFilter } from '../driver.ts'
import { eachPage } from './letter-pages.ts'

/**
 * How many letters there are for a filter of which these are the first, without reading their bodies where topic and group say enough. Letters
 * of a group that was removed count as far as they are among `first`.
 */
export async function countDead(admin: Admin, filter: DeadLetterFilter, first: readonly DeadLetter[]): Promise<number> {
  if (filter.ids !== undefined || filter.place !== undefined) return countAll(admin, filter)
  const pairs = new Map<string, readonly [topic: string, group: string]>()
  const note = (topic: string, group: string) => {
    if ((filter.topic ?? topic) === topic && (filter.group ?? group) === group) pairs.set(`${topic}\0${group}`, [topic, group])
  }
  for (const { topic, groups } of await admin.topics(filter.topic === undefined ? undefined : [filter.topic]))
    for (const group of groups) note(topic, group)
  for (const { message, group } of first) note(message.topic, group)
  let dead = 0
  for (const [topic, group] of pairs.values()) dead += (await admin.depth(topic, group)).dead
  return Math.max(dead, first.length)
}

async function countAll(admin: Admin, filter: DeadLetterFilter): Promise<number> {
  let count = 0
  await eachPage(admin, filter, async ({ length }) => {
    count += length
    return true
  })
  return count
}

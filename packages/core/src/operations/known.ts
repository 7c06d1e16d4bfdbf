import type { Admin, DeadLetterFilter } from '../driver.ts'
import { CorebusError } from '../errors.ts'
import { nearest } from '../options/spelling.ts'

const MOST_NAMED = 10

/**
 * Tells a mistyped name from one that has nothing. Letters may outlive their group, so whoever has found some need not ask.
 * @throws CorebusError NO_SUCH_TOPIC or NO_SUCH_GROUP for a name that nobody knows here, with the nearest that somebody does
 */
export async function checkKnown(admin: Admin, { topic, group }: Pick<DeadLetterFilter, 'topic' | 'group'>): Promise<void> {
  if (topic === undefined && group === undefined) return
  const all = await admin.topics()
  const names = all.map((one) => one.topic).sort()
  if (topic !== undefined && !names.includes(topic)) throw unknownTopic(topic, names)
  if (group === undefined) return
  const readers = (of: typeof all) => [...new Set(of.flatMap(({ groups }) => groups))].sort()
  const here = readers(all.filter((one) => (topic ?? one.topic) === one.topic))
  if (here.includes(group)) return
  const reads = all.filter(({ groups }) => groups.includes(group)).map((one) => one.topic)
  if (reads.length > 0) throw new CorebusError('NO_SUCH_GROUP', `group ${group} does not read topic ${topic}; it reads ${listed(reads)}`)
  throw new CorebusError('NO_SUCH_GROUP', `no such group${topic === undefined ? '' : ` on topic ${topic}`}: ${group}${hint(group, here)}`)
}

export function unknownTopic(topic: string, names: readonly string[]): CorebusError {
  return new CorebusError('NO_SUCH_TOPIC', `no such topic: ${topic}${hint(topic, names)}`)
}

function hint(name: string, known: readonly string[]): string {
  const near = nearest(name, known)
  if (near !== undefined) return `; did you mean ${near}?`
  return known.length === 0 ? '; there are none yet' : `; there are ${listed(known)}`
}

function listed(names: readonly string[]): string {
  const [shown, more] = [names.slice(0, MOST_NAMED).join(', '), names.length - MOST_NAMED]
  return more > 0 ? `${shown} and ${more} more` : shown
}

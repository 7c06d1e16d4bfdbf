import { randomInt } from 'node:crypto'
import type { Burying, Clock } from '../../driver.ts'
import { keepsNone, notDeclared } from '../groups.ts'
import { letterOf } from './copy.ts'
import type { Names } from './names.ts'
import type { Publisher } from './publisher.ts'
import type { Entry } from './registry.ts'
import { OURS, toRecord } from './wire.ts'

export interface BuryOptions {
  readonly names: Names
  readonly publisher: Publisher
  readonly clock: Clock
  readonly entries: () => Promise<readonly Entry[]>
}

const LETTERS_AT_ONCE = 100
/** The place of a message that never lay in its topic here is a random offset below this, so that no other letter has it. */
const MOST_OFFSET = 2 ** 48 - 1

/** Into the places that the groups declared. All are looked up before the first is stored. */
export async function bury(letters: readonly Burying[], { names, publisher, clock, entries }: BuryOptions): Promise<void> {
  const all = await entries()
  const placed = letters.map(({ message, group }) => {
    const { topic } = message
    const entry = all.find((one) => one.topic === topic && one.group === group && !one.gone)
    if (!entry) throw notDeclared({ topic, group })
    if (!entry.place) throw keepsNone({ topic, group })
    return { message, group, place: entry.place }
  })
  for (let from = 0; from < placed.length; from += LETTERS_AT_ONCE)
    await Promise.all(
      placed.slice(from, from + LETTERS_AT_ONCE).map(async ({ message, group, place: { name, ttlMs } }) => {
        const { topic } = message
        const at = clock.now()
        const record = toRecord(message)
        const [partition = 0] = publisher.partitions(await publisher.count(names.topic(topic)), [
          record.key === null ? null : Buffer.from(record.key),
        ])
        const origin = { topic, partition, offset: randomInt(MOST_OFFSET), at }
        const headers = { ...record.headers, [OURS.origin]: JSON.stringify(origin) }
        const burial = { topic, group, at, ...(ttlMs !== undefined && { until: at + ttlMs }) }
        await publisher.store(names.place(name), 0, letterOf({ ...record, headers }, burial, origin))
      }),
    )
}

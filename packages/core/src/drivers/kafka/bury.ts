import { randomInt } from 'node:crypto'
import type { Burying, Clock } from '../../driver.ts'
import { buryInPlaces } from '../burying.ts'
import { keepsNone, keptByOthers, notDeclared } from '../groups.ts'
import { letterOf } from './copy.ts'
import type { Names } from './names.ts'
import type { Publisher } from './publisher.ts'
import { type Entry, readBy } from './registry.ts'
import { OURS, toRecord } from './wire.ts'

export interface BuryOptions {
  readonly names: Names
  readonly publisher: Publisher
  readonly clock: Clock
  readonly entries: () => Promise<readonly Entry[]>
}

/** The place of a message that never lay in its topic here is a random offset below this, so that no other letter has it. */
const MOST_OFFSET = 2 ** 48 - 1

/** Into the places that the groups declared. */
export async function bury(letters: readonly Burying[], { names, publisher, clock, entries }: BuryOptions): Promise<void> {
  const all = await entries()
  await buryInPlaces(letters, {
    placeOf(topic, group) {
      const entry = all.find((one) => one.topic === topic && one.group === group && !one.gone)
      if (!entry) throw notDeclared({ topic, group })
      if (entry.to !== undefined) throw keptByOthers({ topic, group }, `the topic ${entry.to} of Kafka`)
      if (!entry.place) throw keepsNone({ topic, group })
      return entry.place
    },
    async store({ message, group }, { name, ttlMs }) {
      const { topic } = message
      const at = clock.now()
      const record = toRecord(message)
      const entry = all.find((one) => one.topic === topic && one.group === group)
      const count = await publisher.count(readBy(entry ?? { topic }, names))
      const [partition = 0] = publisher.partitions(count, [record.key === null ? null : Buffer.from(record.key)])
      const origin = { topic, partition, offset: randomInt(MOST_OFFSET), at }
      const headers = { ...record.headers, [OURS.origin]: JSON.stringify(origin) }
      const burial = { topic, group, at, ...(ttlMs !== undefined && { until: at + ttlMs }) }
      await publisher.store(names.place(name), 0, letterOf({ ...record, headers }, burial, origin))
    },
  })
}

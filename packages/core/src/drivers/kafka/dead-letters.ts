import type { Clock, DeadLetter, DeadLetterFilter, Message } from '../../driver.ts'
import type { Copies } from './copies.ts'
import { type Burial, burialOf, copyOf } from './copy.ts'
import { failureOf, isUnknownTopic } from './failure.ts'
import { readLog } from './log-reader.ts'
import type { Names } from './names.ts'
import type { Client, RecordIn } from './protocol/client.ts'
import type { Publisher } from './publisher.ts'
import type { Entry } from './registry.ts'
import { type Origin, originOf, toMessage } from './wire.ts'

export interface LettersOptions {
  readonly names: Names
  readonly client: Client
  readonly publisher: Publisher
  readonly copies: Copies
  readonly clock: Clock
  /** Every place that was ever declared, with who uses it. */
  readonly entries: () => Promise<readonly Entry[]>
}

export interface Letters {
  list(filter: DeadLetterFilter, limit?: number): Promise<readonly DeadLetter[]>
  replay(filter: DeadLetterFilter, headers: Message['headers']): Promise<number>
  purge(filter: DeadLetterFilter): Promise<number>
}

interface Letter {
  readonly record: RecordIn
  readonly origin: Origin
  readonly burial: Burial
  readonly message: Message
  readonly place: string
}

export function letters({ names, client, publisher, copies, clock, entries }: LettersOptions): Letters {
  async function placesFor({ topic, group, place }: DeadLetterFilter): Promise<ReadonlySet<string>> {
    const found = new Set<string>()
    for (const entry of await entries())
      if (
        entry.place &&
        (topic ?? entry.topic) === entry.topic &&
        (group ?? entry.group) === entry.group &&
        (place ?? entry.place.name) === entry.place.name
      )
        found.add(entry.place.name)
    return found
  }

  /** Oldest first. Of each letter the latest, as the broker keeps it when it compacts. */
  async function find(filter: DeadLetterFilter): Promise<readonly Letter[]> {
    const found: Letter[] = []
    for (const place of await placesFor(filter)) found.push(...(await open(place)).filter((letter) => fits(letter, filter)))
    return found.sort((a, b) => a.burial.at - b.burial.at)
  }

  async function open(place: string): Promise<readonly Letter[]> {
    const there = new Map<string, Letter>()
    const expired: Letter[] = []
    const now = clock.now()
    const onRecord = (record: RecordIn) => {
      const key = record.key?.toString() ?? ''
      there.delete(key)
      const burial = record.value === null ? undefined : burialOf(record)
      if (!burial) return
      const origin = originOf(record.headers, { topic: burial.topic, partition: 0, offset: record.offset, at: record.at })
      there.set(key, { record, origin, burial, message: toMessage(record, origin, true), place })
    }
    try {
      await readLog(client, names.place(place), { onRecord })
    } catch (thrown) {
      // Never made, or deleted: there are none.
      if (!isUnknownTopic(failureOf(thrown))) throw thrown
    }
    for (const [key, letter] of there)
      if ((letter.burial.until ?? Number.POSITIVE_INFINITY) <= now) {
        there.delete(key)
        expired.push(letter)
      }
    // Nobody else does: the place may be shared with letters that are kept.
    for (const letter of expired) void remove(letter).catch(() => {}) // it is still there the next time
    return [...there.values()]
  }

  function fits({ message, burial: { topic, group } }: Letter, filter: DeadLetterFilter): boolean {
    return (filter.topic ?? topic) === topic && (filter.group ?? group) === group && (filter.ids?.includes(message.id) ?? true)
  }

  /** Deletes a letter by the key that it was stored with: earlier builds made that key of the message's id. */
  async function remove({ record: { key }, place }: Letter): Promise<void> {
    await publisher.store(names.place(place), 0, { key, value: null, headers: {} })
  }

  /** @returns how many `work` has done; those it fails with stay. */
  async function each(filter: DeadLetterFilter, work: (letter: Letter) => Promise<void>): Promise<number> {
    const results = await Promise.allSettled(
      (await find(filter)).map(async (letter) => {
        await work(letter)
        await remove(letter)
      }),
    )
    const failed = results.find((one) => one.status === 'rejected')
    if (failed) throw failed.reason
    return results.length
  }

  return {
    async list(filter, limit = Number.POSITIVE_INFINITY) {
      const found = await find(filter)
      return found.slice(0, limit).map(({ message, burial: { group, at }, place }) => ({ message, group, place, at }))
    },
    replay: (filter, headers) =>
      each(filter, ({ record, origin, burial }) => {
        const next = { ...origin, life: (origin.life ?? 0) + 1 }
        return copies.again(next, burial.group, copyOf({ record, origin: next, headers }))
      }),
    purge: (filter) => each(filter, async () => {}),
  }
}

import type { Clock, DeadLetter, DeadLetterFilter, DeadLetterPage, DeadLetterPaging, Message, ReplayPace } from '../../driver.ts'
import { cursorOf, positionIn } from '../cursor.ts'
import { LetterBatches } from '../letter-batches.ts'
import { letterFits, placeFits } from '../letter-filter.ts'
import { OldestFirst } from '../oldest-first.ts'
import type { Copies } from './copies.ts'
import { type Burial, burialOf, copyOf } from './copy.ts'
import { LetterLog } from './letter-log.ts'
import type { Names } from './names.ts'
import type { Client, RecordIn } from './protocol/client.ts'
import type { Publisher } from './publisher.ts'
import type { Entry } from './registry.ts'
import { type Walk, Walks } from './walks.ts'
import { type Origin, originOf, toMessage } from './wire.ts'

export interface LettersOptions {
  readonly names: Names
  readonly client: Client
  readonly publisher: Publisher
  readonly copies: Copies
  readonly clock: Clock
  readonly timeoutMs: number
  /** Every place that was ever declared, with who uses it. */
  readonly entries: () => Promise<readonly Entry[]>
}

interface Letter extends DeadLetter {
  readonly record: RecordIn
  readonly origin: Origin
  readonly burial: Burial
}

/** A letter on a page, without the record: that would keep all that came with it. */
interface Listed {
  readonly letter: DeadLetter
  /** The latest time of those in its place up to it: so that the letters of a place are in the order of their offsets. */
  readonly time: number
  readonly offset: number
}

interface Listing {
  readonly oldest: OldestFirst<Listed>
  readonly logs: Walk['logs']
  readonly from?: number
}

/** Places, and where the next page begins in each of them. */
type Offsets = readonly (readonly [place: string, offset: number])[]
type Position = readonly [walk: string, offsets: Offsets]

/** What is done by hand to the dead letters of this broker. */
export class Letters {
  readonly #options: LettersOptions
  readonly #walks: Walks

  constructor(options: LettersOptions) {
    this.#options = options
    this.#walks = new Walks(options.clock)
  }

  async page(filter: DeadLetterFilter, { limit = Number.POSITIVE_INFINITY, after }: DeadLetterPaging = {}): Promise<DeadLetterPage> {
    const [id, offsets] = after === undefined ? [] : positionIn('kafka', after, isPosition)
    const from = offsets && new Map(offsets)
    const walk = this.#walks.of(id)
    const oldest = new OldestFirst<Listed>(limit, inOrder)
    for (const place of await this.#placesFor(filter))
      await this.#list(place, filter, { oldest, logs: walk.logs, ...(from && { from: from.get(place) ?? 0 }) })
    const { found, isMore } = oldest.page()
    const letters = found.map(({ letter }) => letter)
    if (!isMore) {
      this.#walks.end(walk)
      return { letters }
    }
    this.#walks.keep(walk)
    return { letters, next: cursorOf('kafka', [walk.id, offsetsAfter(found, from)] satisfies Position) }
  }

  replay(filter: DeadLetterFilter, headers: Message['headers'], pace?: ReplayPace): Promise<number> {
    const handBack = async (letter: Letter): Promise<boolean> => {
      const { record, origin, burial } = letter
      const next = { ...origin, life: (origin.life ?? 0) + 1 }
      await this.#options.copies.again(next, burial.group, copyOf({ record, origin: next, headers }))
      await this.#remove(letter)
      return true
    }
    return this.#each(filter, new LetterBatches(handBack, pace))
  }

  purge(filter: DeadLetterFilter): Promise<number> {
    return this.#each(filter, new LetterBatches((letter: Letter) => this.#remove(letter).then(() => true)))
  }

  /** Forgets what it knows of places whose pages were not read to their end. */
  close(): void {
    this.#walks.close()
  }

  async count(topic: string, group: string): Promise<number> {
    let count = 0
    const filter = { topic, group }
    for (const place of await this.#placesFor(filter))
      for await (const letters of this.#read(this.#log(place), place, filter)) count += letters.length
    return count
  }

  async #placesFor(filter: DeadLetterFilter): Promise<ReadonlySet<string>> {
    const declared = (await this.#options.entries()).filter(placeFits(filter))
    return new Set(declared.flatMap(({ place }) => place?.name ?? []))
  }

  /** `logs` are those of its walk: a page that goes on asks only for what is new in a place. */
  async #list(place: string, filter: DeadLetterFilter, { oldest, logs, from }: Listing): Promise<void> {
    const log = logs.get(place) ?? this.#log(place)
    logs.set(place, log)
    let time = Number.NEGATIVE_INFINITY
    for await (const letters of this.#read(log, place, filter, from))
      for (const { message, group, at, record } of letters) {
        time = Math.max(time, at)
        const letter = { message: { ...message, body: Buffer.from(message.body) }, group, place, at }
        if (!oldest.add({ letter, time, offset: record.offset })) return
      }
  }

  #each(filter: DeadLetterFilter, batches: LetterBatches<Letter>): Promise<number> {
    return batches.through(async () => {
      for (const place of await this.#placesFor(filter)) {
        const log = this.#log(place)
        for await (const letters of this.#read(log, place, filter)) {
          // What was read may wait long for its turn, and somebody else hand it back or delete it meanwhile.
          await batches.run(letters, (part) => log.still(part))
          if (batches.isHopeless) return
        }
      }
    })
  }

  #log(place: string): LetterLog {
    const { client, names, clock, timeoutMs } = this.#options
    return new LetterLog({ client, topic: names.place(place), asking: { clock, timeoutMs } })
  }

  /** The letters of a place that fit, some at a time. What has run out is deleted on the way: nobody else does, since others may share the place. */
  async *#read(log: LetterLog, place: string, filter: DeadLetterFilter, from?: number): AsyncGenerator<readonly Letter[]> {
    const fits = letterFits(filter)
    for await (const records of log.letters(from)) {
      const now = this.#options.clock.now()
      const letters = records.flatMap((record) => letterIn(record, place) ?? [])
      for (const letter of letters) if (isOver(letter, now)) void this.#remove(letter).catch(() => {}) // it is still there the next time
      yield letters.filter((letter) => !isOver(letter, now) && fits(letter))
    }
  }

  /** Deletes a letter by the key that it was stored with: earlier builds made that key of the message's id. */
  async #remove({ record: { key }, place }: Pick<Letter, 'record' | 'place'>): Promise<void> {
    const { names, publisher } = this.#options
    await publisher.store(names.place(place), 0, { key, value: null, headers: {} })
  }
}

function letterIn(record: RecordIn, place: string): Letter | undefined {
  const burial = burialOf(record)
  if (!burial) return undefined
  const { topic, group, at } = burial
  const origin = originOf(record.headers, { topic, partition: 0, offset: record.offset, at: record.at })
  return { record, origin, burial, message: toMessage(record, origin, true), group, place, at }
}

function isOver({ burial: { until = Number.POSITIVE_INFINITY } }: Letter, now: number): boolean {
  return until <= now
}

/** Oldest first; of two places that have some of one time, by their names. */
function inOrder({ time, offset, letter: { place } }: Listed, other: Listed): number {
  if (time !== other.time) return time - other.time
  if (place !== other.letter.place) return place < other.letter.place ? -1 : 1
  return offset - other.offset
}

function offsetsAfter(found: readonly Listed[], before: ReadonlyMap<string, number> = new Map()): Offsets {
  return [...new Map([...before, ...found.map(({ letter: { place }, offset }) => [place, offset + 1] as const)])]
}

function isPosition(value: unknown): value is Position {
  const [walk, offsets]: readonly unknown[] = Array.isArray(value) ? value : []
  return (
    typeof walk === 'string' &&
    Array.isArray(offsets) &&
    offsets.every((one) => Array.isArray(one) && typeof one[0] === 'string' && Number.isSafeInteger(one[1]))
  )
}

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

/** Places, and where the next page begins in each of them. */
type Position = readonly (readonly [place: string, offset: number])[]

/** What is done by hand to the dead letters of this broker. */
export class Letters {
  readonly #options: LettersOptions
  /** Of places whose pages follow one another. */
  readonly #logs = new Map<string, LetterLog>()

  constructor(options: LettersOptions) {
    this.#options = options
  }

  async page(filter: DeadLetterFilter, { limit = Number.POSITIVE_INFINITY, after }: DeadLetterPaging = {}): Promise<DeadLetterPage> {
    const position = after === undefined ? undefined : new Map(positionIn('kafka', after, isPosition))
    const oldest = new OldestFirst<Listed>(limit, inOrder)
    const places = await this.#placesFor(filter)
    for (const place of places) await this.#list(place, filter, { oldest, ...(position && { from: position.get(place) ?? 0 }) })
    const { found, isMore } = oldest.page()
    const letters = found.map(({ letter }) => letter)
    // The walk is over: what is known of its places takes memory.
    if (!isMore) for (const place of places) this.#logs.delete(place)
    return { letters, ...(isMore && { next: cursorOf('kafka', positionAfter(found, position)) }) }
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

  /** Without `from` it is the first page: what is deleted is found out anew. */
  async #list(
    place: string,
    filter: DeadLetterFilter,
    { oldest, from }: { readonly oldest: OldestFirst<Listed>; readonly from?: number },
  ): Promise<void> {
    const log = (from !== undefined && this.#logs.get(place)) || this.#log(place)
    this.#logs.set(place, log)
    let time = Number.NEGATIVE_INFINITY
    for await (const letters of this.#read(log, place, filter, from))
      for (const { message, group, at, record } of letters) {
        time = Math.max(time, at)
        const letter = { message: { ...message, body: Buffer.from(message.body) }, group, place, at }
        if (!oldest.add({ letter, time, offset: record.offset })) return
      }
  }

  async #each(filter: DeadLetterFilter, batches: LetterBatches<Letter>): Promise<number> {
    for (const place of await this.#placesFor(filter))
      for await (const letters of this.#read(this.#log(place), place, filter)) {
        await batches.run(letters)
        if (batches.isHopeless) return batches.counted()
      }
    return batches.counted()
  }

  #log(place: string): LetterLog {
    const { client, names } = this.#options
    return new LetterLog({ client, topic: names.place(place) })
  }

  /** The letters of a place that fit, some at a time. What has run out is deleted on the way: nobody else does, since others may share the place. */
  async *#read(log: LetterLog, place: string, filter: DeadLetterFilter, from?: number): AsyncGenerator<readonly Letter[]> {
    const fits = letterFits(filter)
    for await (const records of log.letters(from)) {
      const now = this.#options.clock.now()
      const letters = records.flatMap((record) => letterIn(record, place) ?? [])
      const [over, kept] = [letters.filter(isOver(now)), letters.filter((letter) => !isOver(now)(letter))]
      for (const letter of over) void this.#remove(letter).catch(() => {}) // it is still there the next time
      yield kept.filter(fits)
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

function isOver(now: number): (letter: Letter) => boolean {
  return ({ burial: { until = Number.POSITIVE_INFINITY } }) => until <= now
}

/** Oldest first; of two places that have some of one time, by their names. */
function inOrder({ time, offset, letter: { place } }: Listed, other: Listed): number {
  if (time !== other.time) return time - other.time
  if (place !== other.letter.place) return place < other.letter.place ? -1 : 1
  return offset - other.offset
}

function positionAfter(found: readonly Listed[], before: ReadonlyMap<string, number> = new Map()): Position {
  return [...new Map([...before, ...found.map(({ letter: { place }, offset }) => [place, offset + 1] as const)])]
}

function isPosition(value: unknown): value is Position {
  return Array.isArray(value) && value.every((one) => Array.isArray(one) && typeof one[0] === 'string' && Number.isSafeInteger(one[1]))
}

import type { Clock, DeadLetter, DeadLetterFilter, DeadLetterPage, DeadLetterPaging, Message, ReplayPace } from '../../driver.ts'
import { LetterBatches } from '../letter-batches.ts'
import { letterFits, placeFits } from '../letter-filter.ts'
import { OldestFirst } from '../oldest-first.ts'
import { copyOf } from './copy.ts'
import type { Declarer } from './declare.ts'
import { Failed } from './failed.ts'
import { type Letter, letterIn, type Shelf } from './letter.ts'
import { inOrder, nextAfter, PageEnd, Placed } from './letter-order.ts'
import type { Names } from './names.ts'
import { PAGE, PlaceReader, type Reading } from './place-reader.ts'
import type { Publisher } from './publisher.ts'
import type { Entry, GroupEntry } from './registry.ts'
import type { Targets } from './targets.ts'

export interface LettersOptions {
  readonly names: Names
  readonly declarer: Declarer
  readonly publisher: Publisher
  readonly targets: Targets
  readonly clock: Clock
  /** Every place that was ever declared, with one who uses it. */
  readonly entries: () => Promise<readonly Entry[]>
}

type FittingReading = Omit<Reading, 'work'> & {
  /** Of those that fit, on a page of so many messages; what it returns leaves its place. */
  readonly work: (found: readonly Letter[], page: number) => Promise<readonly Letter[]>
}

/** The clocks of those who give up on messages may differ by so much: what is stored behind a letter may say that it is older than that, by this and no more. */
const CLOCKS_APART_MS = 60_000
const NONE: readonly Letter[] = []

/** What is done by hand to the dead letters of this broker. A queue is read from its head, whatever part of it is wanted. */
export class Letters {
  readonly #options: LettersOptions
  readonly #reader: PlaceReader

  constructor(options: LettersOptions) {
    this.#options = options
    this.#reader = new PlaceReader(options)
  }

  async page(filter: DeadLetterFilter, { limit = Number.POSITIVE_INFINITY, after }: DeadLetterPaging = {}): Promise<DeadLetterPage> {
    const end = after === undefined ? undefined : new PageEnd(after)
    const oldest = new OldestFirst<Placed>(limit, inOrder)
    for (const shelf of await this.#shelvesFor(filter))
      await this.#read(shelf, filter, {
        async work(letters) {
          for (const one of letters.map((letter) => new Placed(letter))) if (end?.isBefore(one) ?? true) oldest.add(one)
          return NONE
        },
        // What was taken back comes first, in no order of its own; after that come those that never left, oldest first.
        enough: (last) => {
          const [time, bound] = [letterIn(last, shelf, this.#options.names)?.time, oldest.bound?.time]
          return !last.fields.redelivered && time !== undefined && bound !== undefined && time > bound + CLOCKS_APART_MS
        },
        firstPage: Math.max(1, Math.min(limit, PAGE)),
      })
    const { found, isMore } = oldest.page()
    return { letters: found.map(({ letter }) => letter), ...(isMore && { next: nextAfter(found, end) }) }
  }

  /** In one reading of each place, since a page that begins after a cursor needs one of its own. */
  async walk(filter: DeadLetterFilter, work: (letters: readonly DeadLetter[]) => Promise<boolean>): Promise<void> {
    let goesOn = true
    for (const shelf of await this.#shelvesFor(filter)) {
      if (!goesOn) return
      await this.#read(shelf, filter, {
        async work(found) {
          const letters = found.map(({ message, group, place, at }) => ({ message, group, place, at }))
          if (letters.length > 0) goesOn = await work(letters)
          return NONE
        },
        enough: () => !goesOn,
      })
    }
  }

  replay(filter: DeadLetterFilter, headers: Message['headers'], pace?: ReplayPace): Promise<number> {
    const { names, publisher, targets } = this.#options
    const handBack = async ({ raw, message, group }: Letter): Promise<boolean> => {
      await publisher.store(
        targets.work(message.topic, group),
        copyOf(raw, headers, { delayPlace: names.delay(''), home: names.home(message.topic) }),
      )
      return true
    }
    return this.#each(filter, new LetterBatches(handBack, pace))
  }

  purge(filter: DeadLetterFilter): Promise<number> {
    return this.#each(filter, new LetterBatches(async () => true))
  }

  async count(topic: string, group: string): Promise<number> {
    let dead = 0
    for (const shelf of await this.#shelvesFor({ topic, group })) dead += await this.#countIn(shelf, { topic, group })
    return dead
  }

  /** How many of a group's letters are messages that the broker has given up by itself. */
  async givenUp(topic: string, group: string): Promise<number> {
    const place = this.#options.names.givenUp
    const [shelf] = await this.#shelvesFor({ topic, group, place })
    return shelf ? this.#countIn(shelf, { topic, group }) : 0
  }

  async #countIn(shelf: Shelf, filter: DeadLetterFilter): Promise<number> {
    const { names, declarer } = this.#options
    const all = (await declarer.count(names.place(shelf.place)))?.ready ?? 0
    if (all === 0 || !(await this.#isShared(shelf.place))) return all
    let count = 0
    await this.#read(shelf, filter, {
      async work({ length }) {
        count += length
        return NONE
      },
    })
    return count
  }

  #each(filter: DeadLetterFilter, batches: LetterBatches<Letter>): Promise<number> {
    return batches.through(async () => {
      for (const shelf of await this.#shelvesFor(filter)) {
        if (batches.isHopeless) return
        await (batches.isPaced ? this.#eachInParts(shelf, filter, batches) : this.#eachAtOnce(shelf, filter, batches))
      }
    })
  }

  /** Also where ids are named all of it is read: several letters may have one. */
  async #eachAtOnce(shelf: Shelf, filter: DeadLetterFilter, batches: LetterBatches<Letter>): Promise<void> {
    await this.#read(shelf, filter, {
      work: (found) => batches.run(found),
      enough: () => batches.isHopeless,
      largestPage: batches.atOnce,
    })
  }

  /**
   * Where a turn may take long the letters are in their queue meanwhile: whoever lists them sees them, and RabbitMQ, which takes back after 30 minutes
   * what somebody holds, has nothing to take. Each part is read from the head. What stays comes first there, what dies again goes behind all that were
   * there at the beginning.
   */
  async #eachInParts(shelf: Shelf, filter: DeadLetterFilter, batches: LetterBatches<Letter>): Promise<void> {
    const failed = new Failed()
    let most: number | undefined
    let stayed = 0
    while (most !== 0 && (await batches.isNext())) {
      let [seen, gone, tried] = [0, 0, 0]
      failed.begin()
      const there = await this.#read(shelf, filter, {
        async work(found, page) {
          const part = failed.without(found).slice(0, batches.atOnce)
          const done = await batches.part(part)
          failed.add(part.filter((letter) => !done.includes(letter)))
          tried = part.length
          seen += page
          gone += done.length
          return done
        },
        enough: () => tried > 0,
        firstPage: Math.min(batches.atOnce + stayed, PAGE),
        ...(most !== undefined && { most }),
      })
      if (tried === 0) return
      stayed = seen - gone
      most = there - gone
    }
  }

  async #shelvesFor(filter: DeadLetterFilter): Promise<readonly Shelf[]> {
    const { names, entries } = this.#options
    const all = (await entries()).filter((entry) => entry.kind === 'group')
    const shelves = Map.groupBy(all.filter(placeFits(filter)), ({ place }) => place?.name ?? '')
    const { topic, group, place = names.givenUp } = filter
    const groups = all.filter((entry) => (topic ?? entry.topic) === entry.topic && (group ?? entry.group) === entry.group)
    if (groups.length > 0 && place === names.givenUp) shelves.set(names.givenUp, groups)
    return [...shelves].map(([name, users]) => ({ place: name, users }))
  }

  async #read(shelf: Shelf, filter: DeadLetterFilter, { work, ...how }: FittingReading): Promise<number> {
    const { names, clock } = this.#options
    const fits = letterFits(filter)
    return this.#reader.read(names.place(shelf.place), {
      ...how,
      async work(page) {
        const letters = page.flatMap((raw) => letterIn(raw, shelf, names) ?? [])
        const leaving = await work(
          letters.filter((letter) => fits(letter) && letter.until > clock.now()),
          page.length,
        )
        return new Set(leaving.map(({ raw }) => raw))
      },
    })
  }

  /** Whether a place holds letters of several groups: it was declared so, or the names of two groups make the same one. */
  async #isShared(place: string): Promise<boolean> {
    const { names, entries } = this.#options
    if (place === names.givenUp) return true
    const users = (await entries()).filter((entry): entry is GroupEntry => entry.kind === 'group' && entry.place?.name === place)
    return users.some((user) => user.place?.shared || user.topic !== users[0]?.topic || user.group !== users[0]?.group)
  }
}

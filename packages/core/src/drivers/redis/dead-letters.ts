import type { Burying, Clock, DeadLetter, DeadLetterFilter, DeadLetterPage, DeadLetterPaging, Message, ReplayPace } from '../../driver.ts'
import { buryInPlaces } from '../burying.ts'
import { cursorOf, positionIn } from '../cursor.ts'
import { keepsNone, keptByOthers, notDeclared } from '../groups.ts'
import { LetterBatches } from '../letter-batches.ts'
import { letterFits } from '../letter-filter.ts'
import { OldestFirst } from '../oldest-first.ts'
import { answersOf } from './answers.ts'
import type { Argument, Reply } from './link.ts'
import type { Names } from './names.ts'
import { listOf, type Nodes } from './nodes.ts'
import type { Place, Registry } from './registry.ts'
import { replay } from './scripts/topic.ts'
import { DEAD, type Entry, fieldIn, fieldOf, fromEntry, toFields } from './wire.ts'

export interface LettersOptions {
  readonly names: Names
  readonly nodes: Nodes
  readonly registry: Registry
  readonly clock: Clock
  readonly where: string
  readonly signal: AbortSignal
}

/** The part of one topic of a place, and who has letters there. */
interface Shelf {
  readonly topic: string
  readonly name: string
  readonly key: string
  /** What the letters were read from, and beside which their groups are. */
  readonly stream: string
  readonly users: readonly Place[]
}

interface Letter extends DeadLetter {
  readonly entry: string
  /** The same as a text that sorts. */
  readonly order: string
  readonly shelf: Shelf
  readonly until: number
}

/** Of entries, both included. */
interface Range {
  readonly from?: string
  readonly to: string
}

/** The last letter of a page: its entry, and the key of its shelf. */
type Position = readonly [entry: string, key: string]

/** Read at a time: a place may hold more than fits into memory. */
const PAGE = 100
const [FIRST, LAST] = ['-', '+']
const LONGEST_NUMBER = 20

/**
 * What is done by hand to dead letters. They are in the order of their entries, which Redis numbers by its own time: that is the same in every shelf, and
 * where a page ends each of them can be read on.
 */
export class Letters {
  readonly #options: LettersOptions
  readonly #said: <T>(ask: () => Promise<T>) => Promise<T>

  constructor(options: LettersOptions) {
    this.#options = options
    this.#said = answersOf(options)
  }

  async page(filter: DeadLetterFilter, { limit = Number.POSITIVE_INFINITY, after }: DeadLetterPaging = {}): Promise<DeadLetterPage> {
    const position = after === undefined ? undefined : positionIn('redis', after, isPosition)
    const oldest = new OldestFirst<Letter>(limit, inOrder)
    for (const shelf of await this.#shelvesFor(filter)) {
      // Those there are now: a page that is not full would have no end while letters keep coming.
      const to = await this.#lastOf(shelf)
      for await (const found of this.#read(shelf, filter, { from: startIn(shelf, position), to }))
        if (!found.every((letter) => oldest.add(letter))) break
    }
    const { found, isMore } = oldest.page()
    const last = found.at(-1)
    return {
      letters: found.map(({ message, group, place, at }) => ({ message, group, place, at })),
      ...(isMore && last && { next: cursorOf('redis', [last.entry, last.shelf.key] satisfies Position) }),
    }
  }

  replay(filter: DeadLetterFilter, headers: Message['headers'], pace?: ReplayPace): Promise<number> {
    const { names, nodes } = this.#options
    const over = Object.entries(headers).flatMap(([name, value]) => [fieldOf(name), value])
    const work = ({ entry, group, shelf: { stream, key } }: Letter) =>
      this.#said(() => nodes.run(replay, [key, names.again(stream, group)], [entry, ...over])).then(wasThere)
    return this.#each(filter, new LetterBatches(work, pace))
  }

  purge(filter: DeadLetterFilter): Promise<number> {
    const work = ({ entry, shelf: { key } }: Letter) => this.#send(key, ['XDEL', key, entry]).then(wasThere)
    return this.#each(filter, new LetterBatches(work))
  }

  async count(topic: string, group: string): Promise<number> {
    let dead = 0
    for (const shelf of await this.#shelvesFor({ topic, group })) {
      const [only] = shelf.users
      if (shelf.users.length === 1 && only?.ttlMs === undefined) dead += Number(await this.#send(shelf.key, ['XLEN', shelf.key]))
      else for await (const { length } of this.#read(shelf, { group }, { to: await this.#lastOf(shelf) })) dead += length
    }
    return dead
  }

  bury(letters: readonly Burying[]): Promise<void> {
    const { registry, names, clock } = this.#options
    return buryInPlaces(letters, {
      placeOf: (topic, group) => this.#declaredBy(topic, group),
      store: async ({ message, group }, { name = '', ttlMs }) => {
        const { topic } = message
        const place = await this.#declaredBy(topic, group)
        const [at, key] = [clock.now(), registry.keyOf({ ...place, name }, names.stream(topic))]
        const until = ttlMs === undefined ? [] : [`${DEAD}until`, String(at + ttlMs)]
        return this.#send(key, ['XADD', key, '*', ...toFields(message), `${DEAD}group`, group, `${DEAD}at`, String(at), ...until])
      },
    })
  }

  async #shelvesFor({ topic, group, place }: DeadLetterFilter): Promise<readonly Shelf[]> {
    const { registry } = this.#options
    const topics = topic === undefined ? await registry.topics() : [topic]
    const ofTopics = await Promise.all(
      topics.map(async (one) => {
        const { stream, places } = await registry.declared(one)
        const wanted = places.filter(({ name }) => name !== undefined && (place ?? name) === name)
        const shelves = [...Map.groupBy(wanted, (user) => registry.keyOf(user, stream))].map(
          ([key, users]): Shelf => ({ topic: one, name: users[0]?.name ?? '', key, stream: users[0]?.source ?? stream, users }),
        )
        return shelves.filter(({ users }) => group === undefined || users.some((user) => user.group === group))
      }),
    )
    return ofTopics.flat()
  }

  #each(filter: DeadLetterFilter, batches: LetterBatches<Letter>): Promise<number> {
    return batches.through(async () => {
      for (const shelf of await this.#shelvesFor(filter)) {
        // Those there are now: one that is handed back may soon be a new one.
        const to = await this.#lastOf(shelf)
        for await (const found of this.#read(shelf, filter, { to })) {
          await batches.run(found)
          if (batches.isHopeless) return
        }
      }
    })
  }

  /** The letters of a shelf that fit, some at a time. What has run out is deleted on the way. */
  async *#read(shelf: Shelf, filter: DeadLetterFilter, { from = FIRST, to }: Range): AsyncGenerator<readonly Letter[]> {
    const fits = letterFits(filter)
    for (let start = from; ; ) {
      const page = listOf(await this.#send(shelf.key, ['XRANGE', shelf.key, start, to, 'COUNT', String(PAGE)], true)).map(entryIn)
      const all = page.map((entry) => this.#letterIn(entry, shelf))
      const now = this.#options.clock.now()
      const over = all.filter(({ until }) => until <= now).map(({ entry }) => entry)
      if (over.length > 0) await this.#send(shelf.key, ['XDEL', shelf.key, ...over])
      yield all.filter((letter) => letter.until > now && fits(letter))
      if (page.length < PAGE) return
      start = `(${page.at(-1)?.id}`
    }
  }

  /** The id of its last entry. Of an empty one any: there is nothing up to it. */
  async #lastOf({ key }: Shelf): Promise<string> {
    const [last] = listOf(await this.#send(key, ['XREVRANGE', key, LAST, FIRST, 'COUNT', '1']))
    return listOf(last).map(String)[0] ?? FIRST
  }

  #send(key: string, args: readonly Argument[], bytes = false): Promise<Reply> {
    const { nodes } = this.#options
    return this.#said(() => nodes.send(key, args, bytes))
  }

  /** @throws CorebusError NO_SUCH_GROUP, NO_DEAD_LETTERS */
  async #declaredBy(topic: string, group: string): Promise<Place> {
    const places = (await this.#options.registry.declared(topic)).places.filter((place) => place.group === group && !place.gone)
    if (places.length === 0) throw notDeclared({ topic, group })
    const place = places.find(({ name }) => name !== undefined)
    if (place) return place
    const to = places.find((one) => one.to !== undefined)?.to
    throw to === undefined ? keepsNone({ topic, group }) : keptByOthers({ topic, group }, `the stream ${to}`)
  }

  #letterIn(entry: Entry, shelf: Shelf): Letter {
    const { topic, name, stream, users } = shelf
    const [group, at, until] = ['group', 'at', 'until'].map((what) => fieldIn(entry, DEAD + what))
    return {
      message: fromEntry(entry, topic, stream),
      group: group ?? users[0]?.group ?? '',
      place: name,
      // Anybody may write into the stream: what is no time is the time it was written at, or for ever.
      at: timeIn(at) ?? Number(entry.id.split('-')[0]),
      until: timeIn(until) ?? Number.POSITIVE_INFINITY,
      entry: entry.id,
      order: orderOf(entry.id),
      shelf,
    }
  }
}

/** Sorts as Redis sorts its entries, and those of two shelves that have the same one by their keys. */
function inOrder({ order, shelf: { key } }: Letter, other: Letter): number {
  if (order !== other.order) return order < other.order ? -1 : 1
  return key < other.shelf.key ? -1 : key > other.shelf.key ? 1 : 0
}

function orderOf(entry: string): string {
  const [ms = '', n = ''] = entry.split('-')
  return ms.padStart(LONGEST_NUMBER, '0') + n.padStart(LONGEST_NUMBER, '0')
}

/** Where a shelf is read on. */
function startIn({ key }: Shelf, position: Position | undefined): string {
  if (!position) return FIRST
  const [entry, last] = position
  return key > last ? entry : `(${entry}`
}

function isPosition(value: unknown): value is Position {
  return Array.isArray(value) && value.length === 2 && /^\d{1,20}-\d{1,20}$/.test(String(value[0])) && typeof value[1] === 'string'
}

/** A reply that counts what was there. */
function wasThere(reply: Reply): boolean {
  return Number(reply) > 0
}

function timeIn(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : undefined
}

function entryIn(reply: Reply): Entry {
  const [id, fields] = listOf(reply)
  return { id: String(id), fields: listOf(fields) as readonly Buffer[] } // asked for as bytes
}

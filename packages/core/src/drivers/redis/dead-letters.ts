import type { Burying, Clock, DeadLetter, DeadLetterFilter, Message } from '../../driver.ts'
import { keepsNone, notDeclared } from '../groups.ts'
import { refusalOf } from './failure.ts'
import type { Argument, Reply } from './link.ts'
import type { Names } from './names.ts'
import { listOf, type Nodes } from './nodes.ts'
import { replay } from './scripts/topic.ts'
import type { Place, Topology } from './topology.ts'
import { DEAD, type Entry, fieldIn, fieldOf, fromEntry, toFields } from './wire.ts'

export interface LettersOptions {
  readonly names: Names
  readonly nodes: Nodes
  readonly topology: Topology
  readonly clock: Clock
  readonly where: string
  readonly signal: AbortSignal
}

export interface Letters {
  list(filter: DeadLetterFilter, limit?: number): Promise<readonly DeadLetter[]>
  replay(filter: DeadLetterFilter, headers: Message['headers']): Promise<number>
  purge(filter: DeadLetterFilter): Promise<number>
  count(topic: string, group: string): Promise<number>
  bury(letters: readonly Burying[]): Promise<void>
}

/** The part of one topic of a place, and who has letters there. */
interface Shelf {
  readonly topic: string
  readonly name: string
  readonly key: string
  readonly users: readonly Place[]
}

interface Letter extends DeadLetter {
  readonly entry: string
  readonly until: number
}

/** Read at a time: a place may hold more than fits into memory. */
const PAGE = 100

export function letters({ names, nodes, topology, clock, where, signal }: LettersOptions): Letters {
  async function shelvesFor({ topic, group, place }: DeadLetterFilter): Promise<readonly Shelf[]> {
    const topics = topic === undefined ? await topology.topics() : [topic]
    const ofTopics = await Promise.all(
      topics.map(async (one) => {
        const places = (await topology.places(one)).filter(({ name }) => name !== undefined && (place ?? name) === name)
        const shelves = [...Map.groupBy(places, ({ name = '' }) => name)].map(
          ([name, users]): Shelf => ({ topic: one, name, key: names.place(one, name), users }),
        )
        return shelves.filter(({ users }) => group === undefined || users.some((user) => user.group === group))
      }),
    )
    return ofTopics.flat()
  }

  /**
   * The letters that fit, a page at a time: those there are now, since one that is handed back may soon be a new one. What has run out is
   * deleted on the way. `work` says whether it wants more.
   */
  async function scan(shelf: Shelf, filter: DeadLetterFilter, work: (found: readonly Letter[]) => Promise<boolean>): Promise<void> {
    const [last] = listOf(await send(shelf.key, ['XREVRANGE', shelf.key, '+', '-', 'COUNT', '1']))
    const [to] = listOf(last).map(String)
    for (let from = '-'; to !== undefined; ) {
      const page = listOf(await send(shelf.key, ['XRANGE', shelf.key, from, to, 'COUNT', String(PAGE)], true)).map(entryIn)
      const all = page.map((entry) => letterIn(entry, shelf))
      const now = clock.now()
      const over = all.filter(({ until }) => until <= now).map(({ entry }) => entry)
      if (over.length > 0) await send(shelf.key, ['XDEL', shelf.key, ...over])
      const found = all.filter(
        ({ message, group, until }) => until > now && (filter.group ?? group) === group && (filter.ids?.includes(message.id) ?? true),
      )
      if (!(await work(found)) || page.length < PAGE) return
      from = `(${page.at(-1)?.id}`
    }
  }

  async function send(key: string, args: readonly Argument[], bytes = false): Promise<Reply> {
    try {
      return await nodes.insist(() => nodes.send(key, args, bytes), signal)
    } catch (thrown) {
      throw refusalOf(thrown, where)
    }
  }

  async function each(filter: DeadLetterFilter, work: (letter: Letter, shelf: Shelf) => Promise<Reply>): Promise<number> {
    let done = 0
    for (const shelf of await shelvesFor(filter))
      await scan(shelf, filter, async (found) => {
        const replies = await Promise.all(found.map((letter) => work(letter, shelf)))
        for (const reply of replies) done += Number(reply)
        return true
      })
    return done
  }

  /** @throws CorebusError NO_SUCH_GROUP, NO_DEAD_LETTERS */
  async function declaredBy(topic: string, group: string): Promise<Place> {
    const places = (await topology.places(topic)).filter((place) => place.group === group && !place.gone)
    if (places.length === 0) throw notDeclared({ topic, group })
    const place = places.find(({ name }) => name !== undefined)
    if (!place) throw keepsNone({ topic, group })
    return place
  }

  return {
    async list(filter, limit = Number.POSITIVE_INFINITY) {
      let oldest: DeadLetter[] = []
      for (const shelf of await shelvesFor(filter)) {
        let here = 0
        await scan(shelf, filter, async (found) => {
          here += found.length
          oldest.push(...found.map(({ message, group, place, at }) => ({ message, group, place, at })))
          return here < limit
        })
        oldest = oldest.sort((one, other) => one.at - other.at).slice(0, limit)
      }
      return oldest
    },
    async replay(filter, headers) {
      const over = Object.entries(headers).flatMap(([name, value]) => [fieldOf(name), value])
      return each(filter, async ({ entry, group }, { topic, key }) => {
        try {
          return await nodes.insist(() => nodes.run(replay, [key, names.again(topic, group)], [entry, ...over]), signal)
        } catch (thrown) {
          throw refusalOf(thrown, where)
        }
      })
    },
    purge: (filter) => each(filter, ({ entry }, { key }) => send(key, ['XDEL', key, entry])),
    async bury(all) {
      const declared = new Map<string, Place>()
      for (const { message, group } of all) {
        const key = JSON.stringify([message.topic, group])
        if (!declared.has(key)) declared.set(key, await declaredBy(message.topic, group))
      }
      const store = async ({ message, group }: Burying) => {
        const { name = '', ttlMs } = declared.get(JSON.stringify([message.topic, group])) as Place
        const [at, key] = [clock.now(), names.place(message.topic, name)]
        const until = ttlMs === undefined ? [] : [`${DEAD}until`, String(at + ttlMs)]
        await send(key, ['XADD', key, '*', ...toFields(message), `${DEAD}group`, group, `${DEAD}at`, String(at), ...until])
      }
      for (let from = 0; from < all.length; from += PAGE) await Promise.all(all.slice(from, from + PAGE).map(store))
    },
    async count(topic, group) {
      let dead = 0
      for (const shelf of await shelvesFor({ topic, group })) {
        const [only] = shelf.users
        if (shelf.users.length === 1 && only?.ttlMs === undefined) dead += Number(await send(shelf.key, ['XLEN', shelf.key]))
        else
          await scan(shelf, { group }, async ({ length }) => {
            dead += length
            return true
          })
      }
      return dead
    },
  }

  function letterIn(entry: Entry, { topic, name, users }: Shelf): Letter {
    const [group, at, until] = ['group', 'at', 'until'].map((what) => fieldIn(entry, DEAD + what))
    return {
      message: fromEntry(entry, topic, names.stream(topic)),
      group: group ?? users[0]?.group ?? '',
      place: name,
      // Anybody may write into the stream: what is no time is the time it was written at, or for ever.
      at: timeIn(at) ?? Number(entry.id.split('-')[0]),
      until: timeIn(until) ?? Number.POSITIVE_INFINITY,
      entry: entry.id,
    }
  }
}

function timeIn(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : undefined
}

function entryIn(reply: Reply): Entry {
  const [id, fields] = listOf(reply)
  return { id: String(id), fields: listOf(fields) as readonly Buffer[] } // asked for as bytes
}

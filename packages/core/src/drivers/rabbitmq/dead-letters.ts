import type { Channel } from 'amqplib'
import { type Clock, sleep } from '../../clock.ts'
import type { DeadLetter, DeadLetterFilter, Message } from '../../driver.ts'
import { burialOf, copyOf } from './copy.ts'
import type { Declarer } from './declare.ts'
import { type GivenUp, givenUpOf } from './given-up.ts'
import type { Names } from './names.ts'
import type { Publisher } from './publisher.ts'
import type { Entry } from './registry.ts'
import type { Targets } from './targets.ts'
import { fromAmqp, type Raw } from './wire.ts'

export interface LettersOptions {
  readonly names: Names
  readonly declarer: Declarer
  readonly publisher: Publisher
  readonly targets: Targets
  readonly clock: Clock
  /** Every place that was ever declared, with one who uses it. */
  readonly entries: () => Promise<readonly Entry[]>
}

export interface Letters {
  list(filter: DeadLetterFilter, limit?: number): Promise<readonly DeadLetter[]>
  replay(filter: DeadLetterFilter, headers: Message['headers']): Promise<number>
  purge(filter: DeadLetterFilter): Promise<number>
  count(topic: string, group: string): Promise<number>
  /** How many of a group's letters are messages that the broker has given up by itself. */
  givenUp(topic: string, group: string): Promise<number>
}

interface Letter extends DeadLetter {
  readonly raw: Raw
  readonly until: number
}

type GroupEntry = Extract<Entry, { kind: 'group' }>

/** A letter that was read, without its bytes. */
interface Seen {
  readonly tag: number
  readonly leaves: boolean
}

/** Stands for the owner of a message that the broker has given up and that belonged to none of the groups asked about. */
const NOBODYS: GivenUp = { topic: '', group: '', at: 0, headers: {} }

/** Read at a time: a place may hold more than fits into memory. */
const PAGE = 500
const NOTHING_MORE_MS = 2_000

interface Scan {
  readonly place: string
  readonly users: readonly GroupEntry[]
  readonly filter: DeadLetterFilter
  /** Of those that fit; what it returns leaves its place. */
  readonly work: (found: readonly Letter[]) => Promise<readonly Letter[]>
  /** Asked after each page, with its last letter: no more are wanted. */
  readonly enough?: (last: Raw) => boolean
  /** Size of the first page, where fewer may do. */
  readonly firstPage?: number
}

export function letters({ names, declarer, publisher, targets, clock, entries }: LettersOptions): Letters {
  /** One look at a place at a time: whoever looks has all of its letters. */
  const looking = new Map<string, Promise<unknown>>()

  async function placesFor({ topic, group, place }: DeadLetterFilter): Promise<ReadonlyMap<string, readonly GroupEntry[]>> {
    const all = (await entries()).filter((entry) => entry.kind === 'group')
    const wanted = all.filter(
      (entry) =>
        entry.place &&
        (topic ?? entry.topic) === entry.topic &&
        (group ?? entry.group) === entry.group &&
        (place ?? entry.place.name) === entry.place.name,
    )
    const places = Map.groupBy(wanted, (entry) => entry.place?.name ?? '')
    const groups = all.filter((entry) => (topic ?? entry.topic) === entry.topic && (group ?? entry.group) === entry.group)
    if (groups.length > 0 && (place ?? names.givenUp) === names.givenUp) places.set(names.givenUp, groups)
    return places
  }

  /**
   * Goes through the letters there are now, a page at a time. All of them are held until the end, so that nothing comes twice; then what leaves
   * is acknowledged, and what stays is back in its place.
   */
  async function scan({ place, users, filter, work, enough = () => false, firstPage = PAGE }: Scan): Promise<void> {
    const queue = names.place(place)
    const turn = (looking.get(queue) ?? Promise.resolve()).then(() =>
      declarer.separately(async (channel) => {
        const seen: Seen[] = []
        let left = (await declarer.count(queue))?.ready ?? 0
        let consumerTag: string | undefined
        while (left > 0) {
          // Small at first: whatever is read comes first the next time, and is read again.
          const count = Math.min(Math.max(firstPage, Math.ceil(seen.length / 4)), PAGE, left)
          // It has all it may: nothing is on its way to it.
          if (consumerTag !== undefined) await channel.cancel(consumerTag)
          const read = await readPage(channel, queue, count)
          const leaving = new Set((await work(read.page.map(toLetter).filter(fits))).map(({ raw }) => raw))
          for (const raw of read.page) seen.push({ tag: raw.fields.deliveryTag, leaves: leaving.has(raw) })
          consumerTag = read.consumerTag
          left -= read.page.length
          const last = read.page.at(-1)
          // Of a page that is not full somebody else has the others.
          if (!last || read.page.length < count || enough(last)) break
        }
        acknowledge(channel, seen)
        // Not before it has passed on all of them does the broker answer this; closed before, it would forget some.
        if (consumerTag !== undefined) await channel.cancel(consumerTag)
      }),
    )
    looking.set(
      queue,
      turn.catch(() => {}),
    )
    await turn

    function toLetter(raw: Raw): Letter {
      if (place === names.givenUp) return fromGivenUp(raw)
      const { topic = users[0]?.topic ?? '', group = users[0]?.group ?? '', at, until } = burialOf(raw)
      return { raw, message: fromAmqp(raw, topic), group, place, at, until }
    }
    function fromGivenUp(raw: Raw): Letter {
      const { topic, group, at, headers } = givenUpOf(raw, users, names) ?? NOBODYS
      const message = fromAmqp(raw, topic)
      return {
        raw,
        message: { ...message, headers: { ...message.headers, ...headers } },
        group,
        place,
        at,
        until: Number.POSITIVE_INFINITY,
      }
    }
    function fits({ message, group, until }: Letter): boolean {
      if (group === NOBODYS.group) return false
      const { topic, ids } = filter
      const named = (topic ?? message.topic) === message.topic && (filter.group ?? group) === group && (ids?.includes(message.id) ?? true)
      return named && until > clock.now()
    }
  }

  async function readPage(channel: Channel, queue: string, count: number): Promise<{ page: readonly Raw[]; consumerTag: string }> {
    const page: Raw[] = []
    const all = new AbortController()
    await channel.prefetch(count)
    const { consumerTag } = await channel.consume(queue, (raw) => {
      if (raw) page.push(raw)
      if (!raw || page.length === count) all.abort()
    })
    // Somebody else may have some of them: then they do not come.
    for (let before = -1; before < page.length && !all.signal.aborted; ) {
      before = page.length
      await sleep(clock, NOTHING_MORE_MS, all.signal)
    }
    return { page: [...page], consumerTag }
  }

  /** @returns how many `work` has done; those it fails with stay. */
  async function each(filter: DeadLetterFilter, work: (letter: Letter) => Promise<void>): Promise<number> {
    let done = 0
    let cause: unknown
    for (const [place, users] of await placesFor(filter)) {
      await scan({
        ...{ place, users, filter },
        // Also where ids are named: several letters may have one.
        async work(found) {
          const results = await Promise.allSettled(found.map(work))
          const leaving = found.filter((_, i) => results[i]?.status === 'fulfilled')
          done += leaving.length
          for (const result of results) if (result.status === 'rejected') cause = result.reason
          return leaving
        },
      })
    }
    if (cause) throw cause
    return done
  }

  async function list(filter: DeadLetterFilter, limit = Number.POSITIVE_INFINITY): Promise<readonly DeadLetter[]> {
    let oldest: DeadLetter[] = []
    for (const [place, users] of await placesFor(filter)) {
      let here = 0
      await scan({
        ...{ place, users, filter },
        async work(letters) {
          here += letters.length
          oldest.push(...letters.map(({ message, group, at }) => ({ message, group, place, at })))
          oldest = oldest.sort((one, other) => one.at - other.at).slice(0, limit)
          return []
        },
        // What was taken back comes first, in no order of its own; after that come those that never left, oldest first.
        enough: (last) => here >= limit && !last.fields.redelivered,
        firstPage: Math.max(1, Math.min(limit, PAGE)),
      })
    }
    return oldest
  }

  async function countIn(filter: DeadLetterFilter & { readonly place: string }, users: readonly GroupEntry[]): Promise<number> {
    const { place } = filter
    const all = (await declarer.count(names.place(place)))?.ready ?? 0
    if (all === 0 || !(await isShared(place))) return all
    let count = 0
    await scan({
      ...{ place, users, filter },
      async work({ length }) {
        count += length
        return []
      },
    })
    return count
  }

  /** Whether a place holds letters of several groups: it was declared so, or the names of two groups make the same one. */
  async function isShared(place: string): Promise<boolean> {
    if (place === names.givenUp) return true
    const users = (await entries()).filter((entry): entry is GroupEntry => entry.kind === 'group' && entry.place?.name === place)
    return users.some((user) => user.place?.shared || user.topic !== users[0]?.topic || user.group !== users[0]?.group)
  }

  return {
    list,
    replay: (filter, headers) =>
      each(filter, ({ raw, message, group }) => publisher.store(targets.work(message.topic, group), copyOf(raw, headers, names.delay('')))),
    purge: (filter) => each(filter, async () => {}),
    async count(topic, group) {
      let dead = 0
      for (const [place, users] of await placesFor({ topic, group })) dead += await countIn({ topic, group, place }, users)
      return dead
    },
    async givenUp(topic, group) {
      const filter = { topic, group, place: names.givenUp }
      return countIn(filter, (await placesFor(filter)).get(names.givenUp) ?? [])
    },
  }
}

/** With one word as many as can be. */
function acknowledge(channel: Channel, seen: readonly Seen[]): void {
  const stays = seen.findIndex(({ leaves }) => !leaves)
  const through = stays < 0 ? seen.at(-1) : seen[stays - 1]
  if (through) channel.ack(tagged(through), true)
  for (const one of stays < 0 ? [] : seen.slice(stays)) if (one.leaves) channel.ack(tagged(one))
}

/** The client asks for the message and reads its tag. */
function tagged({ tag }: Seen): Parameters<Channel['ack']>[0] {
  return { fields: { deliveryTag: tag } } as Parameters<Channel['ack']>[0]
}

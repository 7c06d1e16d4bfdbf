import type { Channel } from 'amqplib'
import { type Clock, sleep } from '../../clock.ts'
import type { DeadLetter, DeadLetterFilter, Message } from '../../driver.ts'
import { burialOf, copyOf } from './copy.ts'
import type { Declarer } from './declare.ts'
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
}

interface Letter extends DeadLetter {
  readonly raw: Raw
  readonly until: number
}

type GroupEntry = Extract<Entry, { kind: 'group' }>

const MOST_PREFETCH = 65_535
const NOTHING_MORE_MS = 2_000

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
    return Map.groupBy(wanted, (entry) => entry.place?.name ?? '')
  }

  /** `work` gets every letter there is now that fits, and says which may leave; the others go back to their place when it is done. */
  async function open(
    place: string,
    users: readonly GroupEntry[],
    filter: DeadLetterFilter,
    work: (found: readonly Letter[]) => Promise<readonly Letter[]>,
  ): Promise<void> {
    const queue = names.place(place)
    const turn = (looking.get(queue) ?? Promise.resolve()).then(() =>
      declarer.separately(async (channel) => {
        const { found, consumerTag } = await read(channel, queue)
        const leaving = new Set((await work(found.map(toLetter).filter(fits))).map(({ raw }) => raw))
        const stays = found.findIndex((raw) => !leaving.has(raw))
        const through = stays < 0 ? found.at(-1) : found[stays - 1]
        if (through) channel.ack(through, true)
        for (const raw of stays < 0 ? [] : found.slice(stays)) if (leaving.has(raw)) channel.ack(raw)
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
      const { topic = users[0]?.topic ?? '', group = users[0]?.group ?? '', at, until } = burialOf(raw)
      return { raw, message: fromAmqp(raw, topic), group, place, at, until }
    }
    function fits({ message, group, until }: Letter): boolean {
      const { topic, ids } = filter
      const named = (topic ?? message.topic) === message.topic && (filter.group ?? group) === group && (ids?.includes(message.id) ?? true)
      return named && until > clock.now()
    }
  }

  async function read(channel: Channel, queue: string): Promise<{ found: readonly Raw[]; consumerTag?: string }> {
    const count = Math.min((await declarer.count(queue))?.ready ?? 0, MOST_PREFETCH)
    if (count === 0) return { found: [] }
    const found: Raw[] = []
    const all = new AbortController()
    await channel.prefetch(count)
    const { consumerTag } = await channel.consume(queue, (raw) => {
      if (raw) found.push(raw)
      if (!raw || found.length === count) all.abort()
    })
    // Somebody else may have some of them: then they do not come.
    for (let before = -1; before < found.length && !all.signal.aborted; ) {
      before = found.length
      await sleep(clock, NOTHING_MORE_MS, all.signal)
    }
    return { found: [...found], consumerTag }
  }

  /** @returns how many `work` has done; those it fails with stay. */
  async function each(filter: DeadLetterFilter, work: (letter: Letter) => Promise<void>): Promise<number> {
    let done = 0
    let cause: unknown
    for (const [place, users] of await placesFor(filter))
      await open(place, users, filter, async (found) => {
        const results = await Promise.allSettled(found.map(work))
        const leaving = found.filter((_, i) => results[i]?.status === 'fulfilled')
        done += leaving.length
        for (const result of results) if (result.status === 'rejected') cause = result.reason
        return leaving
      })
    if (cause) throw cause
    return done
  }

  return {
    async list(filter, limit = Number.POSITIVE_INFINITY) {
      const found: DeadLetter[] = []
      for (const [place, users] of await placesFor(filter))
        await open(place, users, filter, async (letters) => {
          found.push(...letters.slice(0, limit).map(({ message, group, at }) => ({ message, group, place, at })))
          return []
        })
      return found.sort((one, other) => one.at - other.at).slice(0, limit)
    },
    replay: (filter, headers) =>
      each(filter, ({ raw, message, group }) => publisher.store(targets.work(message.topic, group), copyOf(raw, headers, names.delay('')))),
    purge: (filter) => each(filter, async () => {}),
    async count(topic, group) {
      let dead = 0
      for (const [place, users] of await placesFor({ topic, group })) {
        const shared = users.some((user) => user.place?.shared)
        dead += shared ? (await this.list({ topic, group, place })).length : ((await declarer.count(names.place(place)))?.ready ?? 0)
      }
      return dead
    },
  }
}

import type { Channel } from 'amqplib'
import { type Clock, sleep } from '../../clock.ts'
import type { DeadLetter, DeadLetterFilter, Message } from '../../driver.ts'
import type { Declarer } from './declare.ts'
import type { Names } from './names.ts'
import type { Publisher } from './publisher.ts'
import type { Entry } from './registry.ts'
import type { Targets } from './targets.ts'
import { burialOf, copyOf, fromAmqp, type Raw } from './wire.ts'

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

  /** `work` gets every letter there is now that fits; what it does not acknowledge goes back to its place when it is done. */
  async function open<T>(
    place: string,
    users: readonly GroupEntry[],
    filter: DeadLetterFilter,
    limit: number,
    work: (found: readonly Letter[], channel: Channel) => Promise<T>,
  ): Promise<T> {
    const queue = names.place(place)
    const turn = (looking.get(queue) ?? Promise.resolve()).then(() =>
      declarer.separately(async (channel) => work((await read(channel, queue)).map(toLetter).filter(fits).slice(0, limit), channel)),
    )
    looking.set(
      queue,
      turn.catch(() => {}),
    )
    return turn

    function toLetter(raw: Raw): Letter & { until: number } {
      const { topic = users[0]?.topic ?? '', group = users[0]?.group ?? '', at, until } = burialOf(raw)
      return { raw, message: fromAmqp(raw, topic), group, place, at, until }
    }
    function fits({ message, group, until }: Letter & { until: number }): boolean {
      const { topic, ids } = filter
      return (
        until > clock.now() &&
        (topic ?? message.topic) === message.topic &&
        (filter.group ?? group) === group &&
        (ids?.includes(message.id) ?? true)
      )
    }
  }

  async function read(channel: Channel, queue: string): Promise<readonly Raw[]> {
    const count = Math.min((await declarer.count(queue))?.ready ?? 0, MOST_PREFETCH)
    if (count === 0) return []
    const found: Raw[] = []
    const all = new AbortController()
    await channel.prefetch(count)
    await channel.consume(queue, (raw) => {
      if (raw) found.push(raw)
      if (!raw || found.length === count) all.abort()
    })
    // Somebody else may have some of them: then they do not come.
    for (let before = -1; before < found.length && !all.signal.aborted; ) {
      before = found.length
      await sleep(clock, NOTHING_MORE_MS, all.signal)
    }
    return found
  }

  async function each(filter: DeadLetterFilter, work: (letter: Letter) => Promise<void>): Promise<number> {
    let done = 0
    for (const [place, users] of await placesFor(filter))
      done += await open(place, users, filter, Number.POSITIVE_INFINITY, async (found, channel) => {
        await Promise.all(
          found.map(async (letter) => {
            await work(letter)
            channel.ack(letter.raw)
          }),
        )
        return found.length
      })
    return done
  }

  return {
    async list(filter, limit = Number.POSITIVE_INFINITY) {
      const found: DeadLetter[] = []
      for (const [place, users] of await placesFor(filter))
        found.push(
          ...(await open(place, users, filter, limit, async (letters) =>
            letters.map(({ message, group, at }) => ({ message, group, place, at })),
          )),
        )
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

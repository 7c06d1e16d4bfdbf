import { CorebusError } from '../../errors.ts'
import { backOff } from '../back-off.ts'
import { insist } from '../insist.ts'
import { type AskOptions, askUntilAnswered } from './ask.ts'
import { failureOf, isLeaderGone } from './failure.ts'
import type { Client, RecordIn } from './protocol/client.ts'

const MAX_WAIT_MS = 500
const MAX_BYTES = 8 * 1024 * 1024

export interface LogOptions {
  readonly client: Client
  readonly topic: string
  readonly partition?: number
  /** A log whose leader is gone is asked again for so long. Without this each request is made once. */
  readonly asking?: AskOptions
}

export interface BatchOptions {
  /** Default: where the log ends. */
  readonly to?: number
  /** Asked for at first, and twice as much each time: whoever may want little does not get 8 MiB. */
  readonly firstBytes?: number
}

/** One partition as it is now. Reading it belongs to no group and changes nothing. */
export class Log {
  readonly begin: number
  readonly end: number
  readonly #options: LogOptions
  #leader: number

  private constructor(options: LogOptions, leader: number, [begin, end]: readonly [begin: number, end: number]) {
    this.#options = options
    this.#leader = leader
    this.begin = begin
    this.end = end
  }

  /** @throws CorebusError NO_LEADER, and what the broker says of a topic that it does not have */
  static open(options: LogOptions): Promise<Log> {
    const { asking } = options
    return asking ? askUntilAnswered(() => Log.#openOnce(options), asking) : Log.#openOnce(options)
  }

  static async #openOnce(options: LogOptions): Promise<Log> {
    const { client, topic, partition = 0 } = options
    const leaders = await client.leaders(topic)
    const leader = leaderIn(leaders, options)
    const begin = (await client.offsets(topic, leaders, 'begin'))[partition] ?? 0
    const end = (await client.offsets(topic, leaders, 'end'))[partition] ?? 0
    return new Log(options, leader, [begin, end])
  }

  /** Where to read on. Past its end it is another topic of that name, made after the first was deleted. */
  start(from: number): number {
    return from > this.end ? this.begin : Math.max(from, this.begin)
  }

  /** Where it ends now: `end` is where it ended when it was opened. */
  async endNow(): Promise<number> {
    const { client, topic, partition = 0 } = this.#options
    const found = await this.#ask((leader) => client.offsets(topic, [...Array(partition).fill(-1), leader], 'end'))
    return found[partition] ?? this.end
  }

  /** What lies there up to `to`, as it comes. */
  async *batches(from: number, { to = this.end, firstBytes = MAX_BYTES }: BatchOptions = {}): AsyncGenerator<readonly RecordIn[]> {
    const { client, topic, partition = 0 } = this.#options
    let maxBytes = firstBytes
    for (let offset = from; offset < to; maxBytes = Math.min(maxBytes * 2, MAX_BYTES)) {
      const [fetched] = await this.#ask((leader) =>
        client.fetch(leader, [{ topic, partition, offset }], { maxWaitMs: MAX_WAIT_MS, maxBytes }),
      )
      yield (fetched?.records ?? []).filter((record) => record.offset < to)
      // Nothing but what compaction has emptied: then the end is all there is.
      offset = fetched && fetched.next > offset ? fetched.next : to
    }
  }

  /** A walk may take hours, and the partition have another leader by then: it is asked for, and the same is asked of it. */
  async #ask<T>(ask: (leader: number) => Promise<T>): Promise<T> {
    const { asking, client, topic } = this.#options
    if (!asking) return ask(this.#leader)
    let isKnown = true
    const askLeader = async (): Promise<T> => {
      if (!isKnown) this.#leader = leaderIn(await client.leaders(topic), this.#options)
      isKnown = false
      return ask(this.#leader)
    }
    const { clock, timeoutMs } = asking
    return insist(askLeader, {
      clock,
      withinMs: timeoutMs,
      waitMs: backOff({ firstMs: 50, maxMs: 500 }),
      isFinal: (thrown) => !isLeaderGone(failureOf(thrown)),
    })
  }
}

/** @throws CorebusError NO_LEADER */
function leaderIn(leaders: readonly number[], { topic, partition = 0 }: LogOptions): number {
  const leader = leaders[partition] ?? -1
  if (leader < 0) throw new CorebusError('NO_LEADER', `no broker that is up has partition ${partition} of topic ${topic}`)
  return leader
}

/** Everything that one partition holds now, from `from` on. @returns where it ended. */
export async function readLog(
  client: Client,
  topic: string,
  { from = 0, onRecord }: { from?: number; onRecord: (record: RecordIn) => void },
): Promise<number> {
  const log = await Log.open({ client, topic })
  const start = log.start(from)
  for await (const records of log.batches(start)) for (const record of records) onRecord(record)
  return Math.max(start, log.end)
}

import type { Channel } from 'amqplib'
import { type Clock, monotonic, sleep } from '../../clock.ts'
import { copyOf } from './copy.ts'
import type { Declarer } from './declare.ts'
import type { Names } from './names.ts'
import type { Publisher } from './publisher.ts'
import type { Targets } from './targets.ts'
import type { Raw } from './wire.ts'

export interface TakeOverOptions {
  readonly topic: string
  readonly group: string
  readonly names: Names
  readonly declarer: Declarer
  readonly publisher: Publisher
  readonly targets: Targets
  readonly clock: Clock
  readonly signal: AbortSignal
}

const PREFETCH = 500
const LOOK_EVERY_MS = 20

/**
 * Moves what no group had taken to this group's queue, each message stored there before it leaves the other. Groups that do so at the same
 * time share it between them. Resolves when nothing is left, or after `withinMs`.
 * @returns whether nothing is left.
 */
export async function takeOver({ topic, group, signal, ...options }: TakeOverOptions, withinMs: number): Promise<boolean> {
  const { names, declarer, clock } = options
  const queue = names.unclaimed(topic)
  const left = async () => ((await declarer.count(queue))?.ready ?? 0) > 0
  if (!(await left())) return true
  const deadline = monotonic(clock) + withinMs
  const copying = { delayPlace: names.delay(''), home: names.home(topic) }
  return declarer.separately(async (channel) => {
    const moving = new Map<Raw, Promise<boolean>>()
    const gone = new AbortController()
    channel.once('close', () => gone.abort())
    const over = AbortSignal.any([signal, gone.signal])
    await channel.prefetch(PREFETCH)
    const { consumerTag } = await channel.consume(queue, (raw) => {
      if (raw) moving.set(raw, stored(raw))
      else gone.abort()
    })
    while (!over.aborted && monotonic(clock) < deadline && ((await left()) || moving.size > 0)) {
      if (!(await acknowledge(channel, moving))) break
      if (moving.size === 0) await sleep(clock, LOOK_EVERY_MS, over)
    }
    if (!gone.signal.aborted) await channel.cancel(consumerTag)
    await acknowledge(channel, moving)
    return !(await left())
  })

  async function stored(raw: Raw): Promise<boolean> {
    try {
      await options.publisher.store(options.targets.work(topic, group), copyOf(raw, {}, copying))
      return true
    } catch {
      // It stays where it is: the channel's end gives it back.
      return false
    }
  }
}

/** False when something could not be stored. All that is stored with one word: of many words the broker forgets some when the channel is closed after them. */
async function acknowledge(channel: Channel, moving: Map<Raw, Promise<boolean>>): Promise<boolean> {
  const batch = [...moving]
  const results = await Promise.all(batch.map(([, stored]) => stored))
  const failed = results.indexOf(false)
  const last = batch[failed < 0 ? batch.length - 1 : failed - 1]
  if (last) channel.ack(last[0], true)
  for (const [raw] of batch) moving.delete(raw)
  return failed < 0
}

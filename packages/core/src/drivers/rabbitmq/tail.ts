import type { Channel } from 'amqplib'
import { type Clock, real, sleep } from '../../clock.ts'
import type { Message } from '../../driver.ts'
import { backOff } from '../back-off.ts'
import type { Tail } from '../readers.ts'
import { closeChannel } from './close-channel.ts'
import type { Link } from './connection.ts'
import type { BindEntry } from './registry.ts'
import { fromAmqp } from './wire.ts'

export interface TailOptions {
  readonly topic: string
  /** What it is published to. Those who read a topic are behind another exchange, so a watcher counts as none of them. */
  readonly bindings: readonly Pick<BindEntry, 'exchange' | 'key' | 'arguments'>[]
  readonly onMessages: (messages: readonly Message[]) => void
  readonly link: Link
  readonly clock: Clock
  readonly timeoutMs: number
}

/** A watcher that falls behind misses the oldest; the broker's memory is not its to fill. */
const MOST_WAITING = 10_000

/** Watches a topic by a queue of its own, gone with its connection. */
export async function openTail({ topic, bindings, onMessages, link, clock, timeoutMs }: TailOptions): Promise<Tail> {
  const stopping = new AbortController()
  const waitMs = backOff()
  let channel: Channel | undefined
  let batch: Message[] = []

  async function watch(): Promise<void> {
    const model = await link.up(timeoutMs)
    if (!model) throw new Error('no connection')
    const opened = await model.createChannel()
    opened.on('error', () => {})
    opened.once('close', () => {
      if (!stopping.signal.aborted) void comeBack() // never rejects
    })
    channel = opened
    const { queue } = await opened.assertQueue('', { exclusive: true, autoDelete: true, arguments: { 'x-max-length': MOST_WAITING } })
    for (const { exchange, key, arguments: args } of bindings) await opened.bindQueue(queue, exchange, key, args)
    await opened.consume(queue, (raw) => raw && take(fromAmqp(raw, topic)), { noAck: true })
  }

  async function comeBack(): Promise<void> {
    for (let n = 1; !stopping.signal.aborted; n++) {
      await sleep(clock, waitMs(n), stopping.signal)
      if (stopping.signal.aborted) return
      try {
        return await watch()
      } catch {
        // Until it works: a watcher has nobody to tell.
      }
    }
  }

  function take(message: Message): void {
    if (batch.length === 0)
      real.queueMicrotask(() => {
        const given = batch
        batch = []
        if (!stopping.signal.aborted) onMessages(given)
      })
    batch.push(message)
  }

  await watch()
  return {
    async stop() {
      stopping.abort()
      const last = channel
      channel = undefined
      if (last) await closeChannel(last)
    },
  }
}

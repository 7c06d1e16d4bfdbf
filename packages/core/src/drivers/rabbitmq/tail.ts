import type { Channel } from 'amqplib'
import { type Clock, real, sleep } from '../../clock.ts'
import type { Message } from '../../driver.ts'
import { backOff } from '../back-off.ts'
import type { Tail } from '../readers.ts'
import { closeChannel } from './close-channel.ts'
import type { Link } from './connection.ts'
import type { Declarer } from './declare.ts'
import type { Names } from './names.ts'
import { fromAmqp } from './wire.ts'

export interface TailOptions {
  readonly topic: string
  readonly onMessages: (messages: readonly Message[]) => void
  readonly link: Link
  readonly declarer: Declarer
  readonly names: Names
  readonly clock: Clock
  readonly timeoutMs: number
  /** The queues of those that read the topic; some may be gone. */
  readonly readers: () => Promise<readonly string[]>
}

/** A watcher that falls behind misses the oldest; the broker's memory is not its to fill. */
const MOST_WAITING = 10_000
const LOOK_EVERY_MS = 1_000

/**
 * Watches a topic by a queue of its own, gone with its connection. Bound to the exchange it would count as a reader, and what no group takes
 * would not be kept: so where no group reads the topic it watches what goes unclaimed, and looks now and then whether that is still so.
 */
export async function openTail({ topic, onMessages, link, declarer, names, clock, timeoutMs, readers }: TailOptions): Promise<Tail> {
  const stopping = new AbortController()
  const waitMs = backOff()
  let channel: Channel | undefined
  let batch: Message[] = []

  async function hasReader(): Promise<boolean> {
    for (const queue of await readers()) if ((await declarer.count(queue)) !== undefined) return true
    return false
  }

  async function watch(): Promise<void> {
    const model = await link.up(timeoutMs)
    if (!model) throw new Error('no connection')
    const opened = await model.createChannel()
    opened.on('error', () => {})
    const gone = new AbortController()
    opened.once('close', () => gone.abort())
    channel = opened
    const { queue } = await opened.assertQueue('', { exclusive: true, autoDelete: true, arguments: { 'x-max-length': MOST_WAITING } })
    const exchanges = { topic: names.topic(topic), unclaimed: names.unclaimedExchange(topic) }
    let bound: keyof typeof exchanges = (await hasReader()) ? 'topic' : 'unclaimed'
    await opened.bindQueue(queue, exchanges[bound], '#')
    await opened.consume(queue, (raw) => raw && take(fromAmqp(raw, topic)), { noAck: true })
    void follow() // never rejects

    async function follow(): Promise<void> {
      const over = AbortSignal.any([stopping.signal, gone.signal])
      while (!over.aborted) {
        await sleep(clock, LOOK_EVERY_MS, over)
        if (over.aborted) break
        try {
          const now: typeof bound = (await hasReader()) ? 'topic' : 'unclaimed'
          if (now === bound) continue
          // The old one goes first: both together would be a reader where none is.
          await opened.unbindQueue(queue, exchanges[bound], '#')
          await opened.bindQueue(queue, exchanges[now], '#')
          bound = now
        } catch {
          // Its channel is closed, or the question could not be asked: looked at again.
        }
      }
      if (!stopping.signal.aborted) await comeBack()
    }
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

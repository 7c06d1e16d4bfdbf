import type { Channel } from 'amqplib'
import { type Clock, sleep } from '../../clock.ts'
import type { Raw } from './wire.ts'

export interface ReadUpToOptions {
  readonly queue: string
  readonly count: number
  readonly clock: Clock
  readonly onMessage: (raw: Raw) => void
}

const NOTHING_MORE_MS = 2_000

/**
 * Has the broker hand out so many messages of a queue, which are back in it when the channel is closed. Fewer come where somebody else has some of
 * them, or they have left: it ends when nothing comes any more. @returns the tag of the consumer, which is to be cancelled
 */
export async function readUpTo(channel: Channel, { queue, count, clock, onMessage }: ReadUpToOptions): Promise<string> {
  const all = new AbortController()
  let seen = 0
  const { consumerTag } = await channel.consume(queue, (raw) => {
    if (raw) onMessage(raw)
    if (!raw || ++seen === count) all.abort()
  })
  for (let before = -1; before < seen && !all.signal.aborted; ) {
    before = seen
    await sleep(clock, NOTHING_MORE_MS, all.signal)
  }
  return consumerTag
}

/** What `ack` takes for a message of which only the tag is known. */
export function tagged(deliveryTag: number): Parameters<Channel['ack']>[0] {
  return { fields: { deliveryTag } } as Parameters<Channel['ack']>[0]
}

import type { Channel } from 'amqplib'
import { expect, test } from 'vitest'
import { VirtualClock } from '../../testing/virtual-clock.ts'
import type { Declarer } from './declare.ts'
import { PlaceReader } from './place-reader.ts'

/** A queue with two messages. RabbitMQ counts one that comes back later than it says that the channel is closed. */
function place({ back }: { readonly back: boolean }) {
  const counts = back ? [2, 0, 1, 2] : [2, 0]
  const declarer = {
    count: async () => ({ ready: (counts.length > 1 ? counts.shift() : counts[0]) ?? 0, consumers: 0 }),
    separately: (work: (channel: Channel) => unknown) =>
      work({
        prefetch: async () => {},
        cancel: async () => {},
        ack: () => {},
        async consume(_: string, hand: (message: unknown) => void) {
          for (const deliveryTag of [1, 2]) hand({ fields: { deliveryTag } })
          return { consumerTag: 'tag' }
        },
      } as unknown as Channel),
  }
  const clock = new VirtualClock()
  return { counts, clock, reader: new PlaceReader({ declarer: declarer as unknown as Declarer, clock }) }
}

test('a reading ends when what it did not take is back, so that whoever looks next finds it', async () => {
  const { counts, clock, reader } = place({ back: true })
  const reading = reader.read('orders.g.dlq', { work: async () => new Set() })
  await clock.advance(100)
  expect(await reading).toBe(2)
  expect(counts).toEqual([2])
})

test('what somebody else has taken meanwhile is not waited for for ever', async () => {
  const { clock, reader } = place({ back: false })
  const reading = reader.read('orders.g.dlq', { work: async () => new Set() })
  await clock.advance(3_000)
  expect(await reading).toBe(2)
})

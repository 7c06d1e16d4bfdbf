import type { EachBatchPayload, Message } from 'kafkajs'
import { GROUP } from '../corebus.ts'
import { Handled, type Load, type PublishLoad, publishAll } from '../load.ts'
import type { Contestant } from '../measure.ts'
import { Order, order } from '../payload.ts'
import { coalesced, onProducer } from './coalesced.ts'
import { client, inTopic, type Place } from './room.ts'

const COMMIT_EVERY_MS = 100
/** As ours: how long a fetch waits, and with it the end of a consumer. */
const MAX_WAIT_MS = 300

export const messageOf = (bytes: number, n: number): Message => ({ key: String(n), value: JSON.stringify(order(bytes, n)) })

export function barePublishing(place: Place, { bytes, count, inFlight }: PublishLoad): Contestant {
  return {
    name: 'bare kafkajs, coalesced',
    run: () =>
      inTopic(
        place,
        (topic) =>
          onProducer(place.url, (producer) => {
            const send = coalesced(producer, topic)
            return publishAll(count, inFlight, (n) => send(messageOf(bytes, n)))
          }),
        count,
      ),
  }
}

export async function preload({ url }: Place, topic: string, { bytes, count }: Load): Promise<void> {
  await onProducer(url, (producer) => {
    const send = coalesced(producer, topic)
    return publishAll(count, 256, (n) => send(messageOf(bytes, n)))
  })
}

/** Hands every message to `handle`, and commits every 100 ms where it stands. */
export async function consumingByHand<T>(
  { url }: Pick<Place, 'url'>,
  topic: string,
  handle: (value: Buffer) => void,
  work: () => Promise<T>,
): Promise<T> {
  const consumer = client(url).consumer({ groupId: GROUP, maxWaitTimeInMs: MAX_WAIT_MS })
  const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve))
  const reached = new Map<number, string>()
  const commit = async () => {
    const offsets = [...reached].map(([partition, offset]) => ({ topic, partition, offset }))
    reached.clear()
    if (offsets.length > 0) await consumer.commitOffsets(offsets)
  }
  const eachBatch = async ({ batch, heartbeat }: EachBatchPayload) => {
    for (const { value } of batch.messages) if (value) handle(value)
    reached.set(batch.partition, String(BigInt(batch.lastOffset()) + 1n))
    await heartbeat()
  }
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({ autoCommit: false, eachBatch })
  await joined
  let committing: Promise<void> | undefined
  const timer = setInterval(() => {
    committing ??= commit().finally(() => {
      committing = undefined
    })
  }, COMMIT_EVERY_MS)
  try {
    return await work()
  } finally {
    clearInterval(timer)
    await committing
    await commit()
    await consumer.disconnect()
  }
}

export function bareConsuming(place: Place, load: Load): Contestant {
  return {
    name: `bare kafkajs, eachBatch, commit every ${COMMIT_EVERY_MS} ms`,
    run: () =>
      inTopic(place, async (topic) => {
        await preload(place, topic, load)
        const handled = new Handled(load.count)
        return consumingByHand(
          place,
          topic,
          (value) => {
            const { total } = Order.parse(JSON.parse(value.toString()))
            if (total > 0) handled.one()
          },
          () => handled.all,
        )
      }),
  }
}

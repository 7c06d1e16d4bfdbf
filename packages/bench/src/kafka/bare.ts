import type { EachBatchPayload, Message } from 'kafkajs'
import { GROUP, preloadTopic } from '../corebus.ts'
import { Handled, type Load, type PublishLoad, publishAll } from '../load.ts'
import type { Contestant } from '../measure.ts'
import { Order, order } from '../payload.ts'
import { coalesced, onProducer } from './coalesced.ts'
import { client, inTopic, type Place, room } from './room.ts'

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

const EACH_BATCH = `bare kafkajs, eachBatch, commit every ${COMMIT_EVERY_MS} ms`

/** The same records as we read: with three headers. */
export const bareConsuming = (place: Place, load: Load): Contestant => ({
  name: EACH_BATCH,
  run: () => inTopic(place, (topic) => afterPreload(() => preloadTopic(room(place), topic, load), place, topic, load)),
})

/** Its own records, which have no headers. */
export const bareConsumingItsOwn = (place: Place, load: Load): Contestant => ({
  name: 'the same, records without headers',
  run: () => inTopic(place, (topic) => afterPreload(() => preload(place, topic, load), place, topic, load)),
})

async function afterPreload(preloaded: () => Promise<void>, place: Place, topic: string, load: Load): Promise<number> {
  await preloaded()
  const handled = new Handled(load.count)
  const handle = (value: Buffer) => {
    const { total } = Order.parse(JSON.parse(value.toString()))
    if (total > 0) handled.one()
  }
  return consumingByHand(place, topic, handle, () => handled.all)
}

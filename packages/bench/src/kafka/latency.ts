import type { Bare } from '../first-message.ts'
import { type Latencies, paced, type Timed } from '../paced.ts'
import { consumingByHand, preload } from './bare.ts'
import { coalesced, onProducer } from './coalesced.ts'
import { inTopic, type Place } from './room.ts'

/** A producer and a consumer, as ours. */
export function byHand(place: Place): Promise<Latencies> {
  return inTopic(place, (topic) => {
    const latencies: number[] = []
    const handle = (value: Buffer) => {
      const { at } = JSON.parse(value.toString()) as Timed
      latencies.push(performance.now() - at)
    }
    return onProducer(place.url, (producer) => {
      const send = coalesced(producer, topic)
      const publish = (message: Timed, n: number) => send({ key: String(n), value: JSON.stringify(message) })
      return consumingByHand(place, topic, handle, () => paced(publish, latencies))
    })
  })
}

export const bareStart = (place: Place): Bare => ({
  entry: 'kafka/starts/bare.js',
  inPlace: (load, work) =>
    inTopic(place, async (topic) => {
      await preload(place, topic, load)
      await work(topic)
    }),
})

import type { Bare } from '../first-message.ts'
import { type Latencies, paced, type Timed } from '../paced.ts'
import { add, consumingByHand, preload } from './bare.ts'
import { inStream, onClient } from './room.ts'

/** On two connections, as ours. */
export function byHand(url: string): Promise<Latencies> {
  return inStream(url, (stream) =>
    onClient(url, async (client) => {
      const latencies: number[] = []
      const handle = (body: Buffer) => {
        const { at } = JSON.parse(body.toString()) as Timed
        latencies.push(performance.now() - at)
      }
      const measured = paced((message) => add(client, stream, JSON.stringify(message)), latencies)
      await Promise.all([measured, consumingByHand(url, stream, handle, measured)])
      return measured
    }),
  )
}

export const bareStart = (url: string): Bare => ({
  entry: 'redis/starts/bare.js',
  inPlace: (load, work) =>
    inStream(url, async (stream) => {
      await preload({ url, ...load }, stream)
      await work(stream)
    }),
})

import type { Bare } from '../first-message.ts'
import { type Latencies, paced, type Timed } from '../paced.ts'
import { bodyOf, preload, sender } from './bare.ts'
import { inQueue, onChannel } from './room.ts'

/** On two connections, as ours. */
export function byHand(url: string): Promise<Latencies> {
  return inQueue(url, (queue) =>
    onChannel(url, (publishing) =>
      onChannel(url, async (consuming) => {
        const latencies: number[] = []
        await consuming.prefetch(200)
        await consuming.consume(queue, (message) => {
          if (!message) throw new Error('the consumer was cancelled')
          const { at } = JSON.parse(message.content.toString()) as Timed
          latencies.push(performance.now() - at)
          consuming.ack(message)
        })
        const send = sender(publishing, '', queue, false)
        const measured = await paced((message) => send(Buffer.from(JSON.stringify(message))), latencies)
        await consuming.close()
        return measured
      }),
    ),
  )
}

export const bareStart = (url: string): Bare => ({
  entry: 'rabbitmq/starts/bare.js',
  inPlace: ({ bytes, count }, work) =>
    inQueue(url, async (queue) => {
      await preload(url, queue, count, (n) => bodyOf(bytes, n))
      await work(queue)
    }),
})

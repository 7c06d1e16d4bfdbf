import { randomUUID } from 'node:crypto'
import { GROUP, messaging, type Room, using } from '../corebus.ts'
import { mustHold, onChannel } from './room.ts'

const workQueue = (topic: string): string => `${topic}:${GROUP}`

/** Topics whose group is known and nobody there at the moment: without one RabbitMQ keeps less. */
export function room(url: string): Room {
  const broker = 'rabbitmq'
  const holds = (topic: string, messages: number) => mustHold(url, workQueue(topic), messages)
  return {
    broker,
    url,
    keyed: false,
    mustHold: holds,
    async inTopic(work, leftOver = 0) {
      const topic = `bench-${randomUUID()}`
      await using(messaging({ broker, url }), async (app) => {
        app.handle({ topic, group: GROUP }, () => {})
        await app.start()
      })
      try {
        const result = await work(topic)
        await holds(topic, leftOver)
        return result
      } finally {
        await onChannel(url, async (channel) => {
          for (const queue of [workQueue(topic), `${topic}.unclaimed`]) await channel.deleteQueue(queue)
        })
      }
    },
  }
}

import { GROUP, type Room, roomWithGroup } from '../corebus.ts'
import { mustHold, onChannel } from './room.ts'

const workQueue = (topic: string): string => `${topic}:${GROUP}`

/** Without a group RabbitMQ keeps less. */
export const room = (url: string): Room =>
  roomWithGroup({
    broker: 'rabbitmq',
    url,
    mustHold: (topic, messages) => mustHold(url, workQueue(topic), messages),
    forget: (topic) =>
      onChannel(url, async (channel) => {
        for (const queue of [workQueue(topic), `${topic}.unclaimed`]) await channel.deleteQueue(queue)
      }),
  })

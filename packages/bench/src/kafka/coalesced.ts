import { type Message, Partitioners, type Producer } from 'kafkajs'
import { client } from './room.ts'

/** A kafkajs producer that is told nothing but its partitioner, which is the one of Java's client. */
export async function onProducer<T>(url: string, work: (producer: Producer) => Promise<T>): Promise<T> {
  const producer = client(url).producer({ allowAutoTopicCreation: false, createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  try {
    return await work(producer)
  } finally {
    await producer.disconnect()
  }
}

/** What a careful user of kafkajs writes: one `send` out, acknowledged by all replicas; what is asked for meanwhile goes with the next. */
export function coalesced(producer: Producer, topic: string): (message: Message) => Promise<void> {
  let waiting: { message: Message; done: PromiseWithResolvers<void> }[] = []
  let sending = false

  async function flush(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting
      waiting = []
      try {
        await producer.send({ topic, acks: -1, messages: batch.map(({ message }) => message) })
        for (const { done } of batch) done.resolve()
      } catch (error) {
        for (const { done } of batch) done.reject(error)
      }
    }
    sending = false
  }

  return (message) => {
    const done = Promise.withResolvers<void>()
    waiting.push({ message, done })
    if (!sending) {
      sending = true
      queueMicrotask(() => void flush()) // never rejects
    }
    return done.promise
  }
}

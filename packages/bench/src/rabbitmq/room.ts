import { randomUUID } from 'node:crypto'
import { type ConfirmChannel, connect } from 'amqplib'

/** As strong as ours: durable, replicated where there is more than one node. */
export const QUORUM = { durable: true, arguments: { 'x-queue-type': 'quorum' } }

/** A confirm channel on a connection of its own, closed when `work` is over. */
export async function onChannel<T>(url: string, work: (channel: ConfirmChannel) => Promise<T>): Promise<T> {
  const connection = await connect(url, { noDelay: true })
  try {
    return await work(await connection.createConfirmChannel())
  } finally {
    await connection.close()
  }
}

/** A durable quorum queue, deleted when `work` is over. @throws when something is left in it then. */
export async function inQueue<T>(url: string, work: (queue: string) => Promise<T>, leftOver = 0): Promise<T> {
  const queue = `bench-${randomUUID()}`
  await onChannel(url, (channel) => channel.assertQueue(queue, QUORUM))
  try {
    const result = await work(queue)
    await mustHold(url, queue, leftOver)
    return result
  } finally {
    await onChannel(url, (channel) => channel.deleteQueue(queue))
  }
}

/** @throws when the queue does not hold exactly so many: something was lost, doubled or not acknowledged. */
export async function mustHold(url: string, queue: string, messages: number): Promise<void> {
  const { messageCount } = await onChannel(url, (channel) => channel.checkQueue(queue))
  if (messageCount !== messages) throw new Error(`${queue} holds ${messageCount} messages, not ${messages}`)
}

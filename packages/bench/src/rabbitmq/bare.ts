import { randomUUID } from 'node:crypto'
import type { ConfirmChannel } from 'amqplib'
import { Handled, publishAll, type Load as Sized } from '../load.ts'
import type { Contestant } from '../measure.ts'
import { Order, order } from '../payload.ts'
import { inQueue, mustHold, onChannel } from './room.ts'

const PREFETCH = 200
const ACK_EVERY = 50

export interface Load extends Sized {
  readonly url: string
}

export interface PublishLoad extends Load {
  readonly inFlight: number
}

type Send = (body: Buffer) => Promise<void>

/** A confirm for each message by its callback: as fast as `waitForConfirms` by batches, and it says which one failed. */
export function sender(channel: ConfirmChannel, exchange: string, routingKey: string, mandatory: boolean): Send {
  return (body) =>
    new Promise((resolve, reject) => {
      const options = { persistent: true, mandatory, contentType: 'application/json', messageId: randomUUID() }
      channel.publish(exchange, routingKey, body, options, (error) => (error ? reject(error) : resolve()))
    })
}

export const bodyOf = (bytes: number, n: number): Buffer => Buffer.from(JSON.stringify(order(bytes, n)))

/** Straight to the queue: no exchange of its own, nothing that tells when the queue is gone. */
export function barePublishing({ url, bytes, count, inFlight }: PublishLoad): Contestant {
  return {
    name: 'bare amqplib, default exchange',
    run: () =>
      inQueue(
        url,
        (queue) =>
          onChannel(url, async (channel) => {
            const send = sender(channel, '', queue, false)
            return publishAll(count, inFlight, (n) => send(bodyOf(bytes, n)))
          }),
        count,
      ),
  }
}

/** With the guarantees of ours: any number of queues may read, and what nobody takes comes back. */
export function barePublishingByTopic({ url, bytes, count, inFlight }: PublishLoad): Contestant {
  return {
    name: 'bare amqplib, topic exchange, mandatory',
    run: () =>
      inQueue(
        url,
        (queue) =>
          onChannel(url, async (channel) => {
            await channel.assertExchange(queue, 'topic', { durable: true })
            await channel.bindQueue(queue, queue, '#')
            const send = sender(channel, queue, queue, true)
            const ms = await publishAll(count, inFlight, (n) => send(bodyOf(bytes, n)))
            await channel.deleteExchange(queue)
            return ms
          }),
        count,
      ),
  }
}

/** So many bodies in the queue, confirmed. */
export async function preload(url: string, queue: string, count: number, body: (n: number) => Buffer): Promise<void> {
  await onChannel(url, async (channel) => {
    const send = sender(channel, '', queue, false)
    await publishAll(count, 256, (n) => send(body(n)))
  })
  await mustHold(url, queue, count)
}

/** Parse, validate, and one acknowledgement for every fifty. */
export function bareConsuming({ url, bytes, count }: Load): Contestant {
  return {
    name: `bare amqplib, prefetch ${PREFETCH}, ack every ${ACK_EVERY}`,
    run: () =>
      inQueue(url, async (queue) => {
        await preload(url, queue, count, (n) => bodyOf(bytes, n))
        const handled = new Handled(count)
        return onChannel(url, async (channel) => {
          await channel.prefetch(PREFETCH)
          let n = 0
          await channel.consume(queue, (message) => {
            if (!message) throw new Error('the consumer was cancelled')
            const { total } = Order.parse(JSON.parse(message.content.toString()))
            if (total > 0) handled.one()
            if (++n % ACK_EVERY === 0 || n === count) channel.ack(message, true)
          })
          const ms = await handled.all
          await channel.close()
          return ms
        })
      }),
  }
}

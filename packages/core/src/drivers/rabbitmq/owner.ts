import type { Channel, ChannelModel } from 'amqplib'
import { CorebusError } from '../../errors.ts'
import { closeChannel } from './close-channel.ts'
import type { Link } from './connection.ts'
import { ownerQueue } from './declare.ts'
import { refusalOf } from './failure.ts'

/**
 * The one member of an exclusive group: whoever has declared a queue that belongs to its connection alone. (An exclusive consumer would not
 * do: quorum queues let a second one in.) The broker deletes it with the connection, after it has given back what was out there.
 */
export class Owner {
  readonly #link: Link
  readonly #queue: string
  /** Of this driver: on the same connection the broker does not refuse. */
  readonly #here: Set<string>
  #channel: Channel | undefined
  #model: ChannelModel | undefined

  constructor(link: Link, queue: string, here: Set<string>) {
    this.#link = link
    this.#queue = queue
    this.#here = here
  }

  /** @throws CorebusError GROUP_TAKEN */
  async take(group: string, topic: string): Promise<void> {
    const { model } = this.#link
    if (!model) throw new CorebusError('CONNECTION_LOST', 'no connection to RabbitMQ')
    if (this.#channel && this.#model === model) return
    if (!this.#channel && this.#here.has(this.#queue)) throw taken(group, topic)
    this.#here.add(this.#queue)
    this.#model = model
    try {
      const channel = await model.createChannel()
      channel.on('error', () => {})
      this.#channel = channel
      await channel.assertQueue(this.#queue, ownerQueue)
    } catch (thrown) {
      this.#forget()
      throw refusalOf(thrown)?.kind === 'locked' ? taken(group, topic) : thrown
    }
  }

  async release(): Promise<void> {
    const channel = this.#channel
    if (!channel) return
    this.#forget()
    try {
      await channel.deleteQueue(this.#queue)
      await closeChannel(channel)
    } catch {
      // Gone with its connection.
    }
  }

  #forget(): void {
    this.#channel = undefined
    this.#here.delete(this.#queue)
  }
}

function taken(group: string, topic: string): CorebusError {
  const why = 'it keeps a key in order, which RabbitMQ does within one member only'
  return new CorebusError('GROUP_TAKEN', `group ${group} has a member on topic ${topic} already, and may have one at a time: ${why}`)
}

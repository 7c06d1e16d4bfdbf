import type { Source } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import type { Declarer } from './declare.ts'
import type { Names } from './names.ts'
import type { OurSource } from './registry.ts'

interface ReadBy {
  readonly topic: string
  readonly group: string
}

const wrong = ({ topic, group }: ReadBy, why: string): CorebusError =>
  new CorebusError('SOURCE', `group ${group} cannot read this source under the topic ${topic}: ${why}`)

/** @throws CorebusError SOURCE for one that RabbitMQ cannot have */
export function sourceOf(source: Source, { topic, group, names }: ReadBy & { readonly names: Names }): OurSource {
  const by = { topic, group }
  if ('queue' in source) {
    if (source.queue === '') throw wrong(by, 'its queue has no name')
    if (source.queue === names.work(topic, group)) throw wrong(by, `${source.queue} is the group's own queue. Leave the source out`)
    return { queue: source.queue }
  }
  if (!('exchange' in source)) throw wrong(by, 'RabbitMQ has exchanges and queues: from: { exchange } or { queue }')
  const { exchange, bind, arguments: args } = source
  if (exchange === '')
    throw wrong(
      by,
      "nothing can be bound to the default exchange. What is published to it lies in the queue that the routing key names: from: { queue: '...' }",
    )
  if (topic.startsWith('amq.'))
    throw wrong(
      by,
      'the group has a queue whose name begins with the topic, and RabbitMQ keeps names with amq. for itself. Call the topic something else',
    )
  return { exchange, ...(bind !== undefined && { bind }), ...(args && { arguments: args }) }
}

export type QueueType = 'classic' | 'quorum' | 'stream'

const OF_TYPE = /of queue type rabbit_(classic|quorum|stream)_queue/

/**
 * Of which type a queue of others is. AMQP has no question for it, but the broker refuses a consumer with an argument that the type does not know, and
 * names the type: of these two each type refuses one. Undefined where it says something else.
 * @throws what else it says of the queue: that it is missing, locked or may not be read
 */
export async function typeOf(queue: string, declarer: Declarer): Promise<QueueType | undefined> {
  try {
    await declarer.separately(async (channel) => {
      await channel.prefetch(1)
      await channel.consume(queue, () => {}, { arguments: { 'x-priority': 0, 'x-stream-offset': 'next' } })
    })
    return undefined
  } catch (error) {
    if (!(error instanceof CorebusError) || error.code !== 'PRECONDITION_FAILED') throw error
    return OF_TYPE.exec(error.message)?.[1] as QueueType | undefined
  }
}

/** @throws CorebusError SOURCE for a queue that is not there, or that cannot be read */
export async function theirTypeOf(queue: string, declarer: Declarer, by: ReadBy): Promise<QueueType | undefined> {
  try {
    const type = await typeOf(queue, declarer)
    if (type === 'stream')
      throw wrong(
        by,
        `${queue} is a stream, which keeps no place for a group: bind a queue of ours to the exchange it is filled from, from: { exchange }`,
      )
    return type
  } catch (error) {
    if (!(error instanceof CorebusError)) throw error
    if (error.code === 'NOT_FOUND') throw theirsIsGone(queue, by)
    if (error.code === 'LOCKED') throw wrong(by, `the queue ${queue} belongs to one connection, and nobody else may read it`)
    throw error
  }
}

/** A consumer that asked to be the only one is none of ours. The broker has the same code for it as for a missing right. */
export function inExclusiveUse(error: unknown, group: string): unknown {
  if (!(error instanceof CorebusError) || error.code !== 'ACCESS_REFUSED' || !/in exclusive use/.test(error.message)) return error
  const text = `group ${group} cannot read a queue that a client which is not ours has for itself: ${error.message}. Stop that one first`
  return new CorebusError('GROUP_FOREIGN', text, { cause: error })
}

export function theirsIsGone(queue: string, { topic, group }: ReadBy): CorebusError {
  const text = `group ${group} reads the queue ${queue} under the topic ${topic}, which is not there: it is its owner's to declare`
  return new CorebusError('SOURCE', text)
}

/** What is promised of a group, and cannot be of one that reads a queue of others. Said once, when it begins. */
export function lacksOf(queue: string, type: QueueType | undefined, { topic, group }: ReadBy): CorebusError {
  const reads = `group ${group} reads the queue ${queue} under the topic ${topic}, as one more consumer of it`
  return new CorebusError('SOURCE_LACKS', [reads, ...LACKS, type === 'quorum' ? LACKS_OF_QUORUM : LACKS_OF_CLASSIC].join('; '))
}

const LACKS = [
  'other consumers have their share of it',
  'the order of a key is not kept between them, nor over a retry',
  'its length, expiry and dead-letter exchange are as its owner has made them',
]
const LACKS_OF_QUORUM = 'it counts those times too that others were handed a message, and its own delivery limit may come before crashLimit'
const LACKS_OF_CLASSIC = 'it does not count how often it handed a message out, so that one which ends its process comes back for ever'

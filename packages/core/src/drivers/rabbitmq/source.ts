import type { Channel } from 'amqplib'
import type { Source } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { unlessForbidden } from './bindings.ts'
import type { Declarer } from './declare.ts'
import type { Names } from './names.ts'
import type { OurSource, Registry } from './registry.ts'

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

export interface TheirQueue {
  readonly type: QueueType | undefined
  /** False where this user may not have it compared, which takes the right to configure it. */
  readonly isCompared: boolean
}

/** Its last words: a queue may have any name. */
const OF_TYPE = /of queue type '?(?:rabbit_)?(classic|quorum|stream)(?:_queue)?'?$/
const REFUSED_ARGUMENT = /invalid arg '?([\w-]+)/
/** What a consumer of a stream cannot have, and what nobody else can. */
const [NOT_OF_STREAMS, OF_STREAMS] = ['x-priority', 'x-stream-offset']

/** Which type the broker names when it refuses a consumer that asks for both. Where it names none, only a stream refuses the first. */
export function typeIn(words: string): QueueType | undefined {
  const named = OF_TYPE.exec(words)?.[1] as QueueType | undefined
  return named ?? (REFUSED_ARGUMENT.exec(words)?.[1] === NOT_OF_STREAMS ? 'stream' : undefined)
}

/**
 * Of which type a queue of others is. AMQP has no question for it, but the broker refuses a consumer with an argument that the type does not know, and
 * names the type. Undefined where it says something else.
 * @throws what else it says of the queue: that it is missing, locked or may not be read
 */
async function typeOf(queue: string, declarer: Declarer): Promise<QueueType | undefined> {
  const words = await refusedWith(declarer, async (channel) => {
    await channel.prefetch(1)
    await channel.consume(queue, () => {}, { arguments: { [NOT_OF_STREAMS]: 0, [OF_STREAMS]: 'next' } })
  })
  return words === undefined ? undefined : typeIn(words)
}

/**
 * Whether a queue of others is deleted when its last consumer leaves; undefined where that cannot be seen. The broker compares a declaration with what is
 * there, first how durable it is and then this. With a negative time to live nobody can make what is not there.
 */
async function isAutoDelete(queue: string, declarer: Declarer): Promise<boolean | undefined> {
  for (const durable of [true, false]) {
    const declared = { durable, autoDelete: true, arguments: { 'x-message-ttl': -1 } }
    const words = await refusedWith(declarer, (channel) => channel.assertQueue(queue, declared)).catch(unlessForbidden)
    const differs = words === undefined ? undefined : /inequivalent arg '([\w-]+)'/.exec(words)?.[1]
    if (differs === undefined) return undefined
    if (differs !== 'durable') return differs !== 'auto_delete'
  }
  return undefined
}

/** The words of a PRECONDITION_FAILED. On a channel of its own, which that ends. */
async function refusedWith(declarer: Declarer, ask: (channel: Channel) => Promise<unknown>): Promise<string | undefined> {
  try {
    await declarer.read(ask)
    return undefined
  } catch (error) {
    if (!(error instanceof CorebusError) || error.code !== 'PRECONDITION_FAILED') throw error
    return error.message
  }
}

/** Nothing is changed. Undefined for a queue that is not there. @throws CorebusError SOURCE for one that cannot be read */
export async function lookAtTheirs(queue: string, declarer: Declarer, by: ReadBy): Promise<TheirQueue | undefined> {
  try {
    const type = await typeOf(queue, declarer)
    if (type === 'stream')
      throw wrong(
        by,
        `${queue} is a stream, which keeps no place for a group: bind a queue of ours to the exchange it is filled from, from: { exchange }`,
      )
    const goes = await isAutoDelete(queue, declarer)
    if (goes)
      throw wrong(
        by,
        `${queue} is auto-delete: RabbitMQ deletes it, with all that is in it, as soon as it has no consumer, and ours pauses and stops. Its owner can declare it without auto-delete, or a queue of ours be bound to the exchange it is filled from, from: { exchange }`,
      )
    return { type, isCompared: goes !== undefined }
  } catch (error) {
    if (!(error instanceof CorebusError)) throw error
    if (error.code === 'NOT_FOUND') return undefined
    if (error.code === 'LOCKED') throw wrong(by, `the queue ${queue} belongs to one connection, and nobody else may read it`)
    throw error
  }
}

/** A queue of ours is no source: its group would not have what this one takes. @throws CorebusError SOURCE */
export async function refuseOurs(queue: string, by: ReadBy, { names, registry }: { names: Names; registry: Registry }): Promise<void> {
  if (queue.startsWith(`${names.prefix}corebus:`)) throw wrong(by, `${queue} is a queue of Corebus itself`)
  const entries = (await registry.entries().catch(unlessForbidden)) ?? []
  const owner = entries.find((entry) => entry.kind === 'group' && !entry.source && names.work(entry.topic, entry.group) === queue)
  if (owner?.kind === 'group')
    throw wrong(
      by,
      `${queue} is the queue of group ${owner.group} on topic ${owner.topic}, which would not have what this one takes. Handle topic ${owner.topic} without a source: each group has a copy of it`,
    )
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
export function lacksOf(queue: string, { type, isCompared }: TheirQueue, { topic, group }: ReadBy): CorebusError {
  const reads = `group ${group} reads the queue ${queue} under the topic ${topic}, as one more consumer of it`
  const lacks = [...LACKS, type === 'quorum' ? LACKS_OF_QUORUM : LACKS_OF_CLASSIC, ...(isCompared ? [] : [LACKS_RIGHT])]
  return new CorebusError('SOURCE_LACKS', [reads, ...lacks].join('; '))
}

const LACKS = [
  'other consumers have their share of it',
  'the order of a key is not kept between them, nor over a retry',
  'its length, expiry and dead-letter exchange are as its owner has made them',
]
const LACKS_OF_QUORUM =
  'it counts whenever a message comes back to it, from others and from a member that stops, and at a delivery limit of its own, which may come before crashLimit, it drops the message or dead-letters it'
const LACKS_OF_CLASSIC = 'it does not count how often it handed a message out, so that one which ends its process comes back for ever'
const LACKS_RIGHT =
  'this user may not see whether it is auto-delete: such a queue is deleted, with all that is in it, when its last consumer pauses or stops'

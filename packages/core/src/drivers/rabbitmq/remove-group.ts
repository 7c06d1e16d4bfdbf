import type { Channel } from 'amqplib'
import { type Clock, sleep } from '../../clock.ts'
import { hasMembers } from '../groups.ts'
import type { Declarer } from './declare.ts'
import type { Names } from './names.ts'
import type { Entry } from './registry.ts'

export interface RemoveGroupOptions {
  readonly names: Names
  readonly declarer: Declarer
  readonly clock: Clock
  readonly entries: () => Promise<readonly Entry[]>
}

const NOTHING_MORE_MS = 2_000

/**
 * Deletes the queues of a group, and before that its messages in the delays that all groups share: one that comes back to a queue that is not
 * there is kept by the broker, and with some of them everything that waits behind.
 */
export async function removeGroup(topic: string, group: string, options: RemoveGroupOptions): Promise<boolean> {
  const { names, declarer, entries } = options
  const work = names.work(topic, group)
  if (!(await isFree())) return false
  // Nothing new comes meanwhile.
  await declarer.unlessMissing((channel) => channel.unbindQueue(work, names.topic(topic), '#'))
  for (const entry of await entries()) if (entry.kind === 'delay') await takeOut(names.delay(entry.ms), work, options)
  if (!(await isFree())) return true
  for (const queue of [work, names.handedBack(topic, group)]) await declarer.run((channel) => channel.deleteQueue(queue))
  return true

  /** Asked again in the end: the broker refuses to delete a quorum queue on condition that nobody reads it. */
  async function isFree(): Promise<boolean> {
    const found = await declarer.count(work)
    if (found && found.consumers > 0) throw hasMembers({ topic, group }, found.consumers)
    return found !== undefined
  }
}

/** What is for another group goes back as it was, and is due when it would have been. */
async function takeOut(delay: string, work: string, { declarer, clock }: RemoveGroupOptions): Promise<void> {
  const waiting = (await declarer.count(delay))?.ready ?? 0
  if (waiting === 0) return
  await declarer.separately(async (channel) => {
    const all = new AbortController()
    const ours: number[] = []
    let seen = 0
    const { consumerTag } = await channel.consume(delay, (raw) => {
      if (raw && raw.fields.routingKey === work) ours.push(raw.fields.deliveryTag)
      if (!raw || ++seen === waiting) all.abort()
    })
    // Some may have become due meanwhile: then they do not come.
    for (let before = -1; before < seen && !all.signal.aborted; ) {
      before = seen
      await sleep(clock, NOTHING_MORE_MS, all.signal)
    }
    for (const tag of ours) channel.ack(tagged(tag))
    await channel.cancel(consumerTag)
  })
}

/** The client asks for the message and reads its tag. */
function tagged(tag: number): Parameters<Channel['ack']>[0] {
  return { fields: { deliveryTag: tag } } as Parameters<Channel['ack']>[0]
}

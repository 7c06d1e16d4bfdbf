import type { Clock } from '../../clock.ts'
import { hasMembers } from '../groups.ts'
import type { Declarer } from './declare.ts'
import type { Names } from './names.ts'
import { readUpTo, tagged } from './read-up-to.ts'
import type { Entry } from './registry.ts'
import type { Raw } from './wire.ts'

export interface RemoveGroupOptions {
  readonly names: Names
  readonly declarer: Declarer
  readonly clock: Clock
  readonly entries: () => Promise<readonly Entry[]>
}

/**
 * Deletes the queues of a group, and before that its messages in the delays that all groups share: one that comes back to a queue that is not
 * there is kept by the broker, and with some of them everything that waits behind.
 */
export async function removeGroup(topic: string, group: string, options: RemoveGroupOptions): Promise<boolean> {
  const { names, declarer, entries } = options
  const work = names.work(topic, group)
  if (!(await isFree())) return false
  // Nothing new comes meanwhile.
  const all = await entries()
  // To the topic itself those are bound that the builds before this one have made.
  for (const exchange of [names.groups(topic), names.topic(topic)])
    for (const key of ['', '#']) await declarer.unlessMissing((channel) => channel.unbindQueue(work, exchange, key))
  for (const entry of all)
    if (entry.kind === 'bind' && entry.topic === topic && entry.group === group)
      await declarer.unlessMissing((channel) => channel.unbindQueue(work, entry.exchange, entry.key, entry.arguments))
  const delays = new Set(all.flatMap((entry) => (entry.kind === 'delay' ? entry.ms : [])))
  for (const ms of delays) await takeOut(names.delay(ms), work, options)
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
    const ours: number[] = []
    const onMessage = ({ fields }: Raw): void => {
      if (fields.routingKey === work) ours.push(fields.deliveryTag)
    }
    // Some may have become due meanwhile: then they do not come.
    const consumerTag = await readUpTo(channel, { queue: delay, count: waiting, clock, onMessage })
    for (const tag of ours) channel.ack(tagged(tag))
    await channel.cancel(consumerTag)
  })
}

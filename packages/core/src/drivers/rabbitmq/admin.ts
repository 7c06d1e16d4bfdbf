import type { Admin, SharedDelay, TopicSummary } from '../../driver.ts'
import { withLimits } from '../limit.ts'
import { type BuryOptions, bury } from './bury.ts'
import type { Letters } from './dead-letters.ts'
import type { Entry, GroupEntry } from './registry.ts'
import { removeGroup } from './remove-group.ts'

export interface AdminOptions extends BuryOptions {
  readonly letters: Letters
}

function latestOf(all: readonly Entry[], topic: string, group: string): GroupEntry | undefined {
  return all.findLast((entry): entry is GroupEntry => entry.kind === 'group' && entry.topic === topic && entry.group === group)
}

export function admin(options: AdminOptions): Admin {
  const { names, declarer, letters, entries } = options
  const exists = async (queue: string) => (await declarer.count(queue)) !== undefined

  /** Of a queue of others that the group reads, all that waits. */
  async function countTheirs(topic: string, group: string): Promise<{ readonly ready: number } | undefined> {
    const source = latestOf(await entries(), topic, group)?.source
    return source && 'queue' in source ? declarer.count(source.queue) : undefined
  }

  return {
    async topics(only) {
      const all = await entries()
      const found: TopicSummary[] = []
      const isSaid = (entry: Entry) => entry.kind === 'topic' || (entry.kind === 'group' && entry.source !== undefined)
      const wanted = all.flatMap((entry) => ('topic' in entry && isSaid(entry) && (only?.includes(entry.topic) ?? true) ? entry.topic : []))
      for (const topic of new Set(wanted)) {
        const groups: string[] = []
        const declared = new Set(all.flatMap((entry) => (entry.kind === 'group' && entry.topic === topic ? entry.group : [])))
        for (const group of declared) if (await exists(names.work(topic, group))) groups.push(group)
        // A topic that is the name of a source has no exchange, and is there while a group reads it.
        if (groups.length === 0 && !(await declarer.hasExchange(names.topic(topic)))) continue
        const unclaimed = groups.length === 0 ? await declarer.count(names.unclaimed(topic)) : undefined
        const lettersTo = Object.fromEntries(
          groups.flatMap((group) => {
            const { to } = latestOf(all, topic, group) ?? {}
            return to ? [[group, to]] : []
          }),
        )
        const others = Object.keys(lettersTo).length > 0 ? { lettersTo } : {}
        found.push({ topic, groups, ...(unclaimed && { kept: unclaimed.ready }), ...others })
      }
      return found
    },
    /** What is in flight or delayed only the broker's own pages know. Of a group that has not started: what it would find. */
    async depth(topic, group) {
      const work = await declarer.count(names.work(topic, group))
      const dead = await letters.count(topic, group)
      const theirs = await countTheirs(topic, group)
      if (work) return { ready: work.ready + (theirs?.ready ?? 0), dead, members: work.consumers }
      return { ready: (theirs ?? (await declarer.count(names.unclaimed(topic))))?.ready ?? 0, dead, members: 0 }
    },
    async sharedDelays() {
      const places = new Set((await entries()).flatMap((entry) => (entry.kind === 'delay' ? entry.ms : [])))
      const all: SharedDelay[] = []
      for (const afterMs of [...places].sort((a, b) => a - b)) {
        const waiting = (await declarer.count(names.delay(afterMs)))?.ready ?? 0
        if (waiting > 0) all.push({ afterMs, waiting })
      }
      return all
    },
    deadLetters: withLimits((filter, paging) => letters.page(filter, paging)),
    walkDeadLetters: (filter, work) => letters.walk(filter, work),
    replay: (filter, headers, pace) => letters.replay(filter, headers, pace),
    purge: (filter) => letters.purge(filter),
    bury: (all) => bury(all, options),
    removeGroup: (topic, group) => removeGroup(topic, group, options),
  }
}

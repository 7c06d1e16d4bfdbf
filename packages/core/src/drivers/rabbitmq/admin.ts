import type { Admin, SharedDelay, TopicSummary } from '../../driver.ts'
import { withLimits } from '../limit.ts'
import { type BuryOptions, bury } from './bury.ts'
import type { Letters } from './dead-letters.ts'
import { removeGroup } from './remove-group.ts'

export interface AdminOptions extends BuryOptions {
  readonly letters: Letters
}

export function admin(options: AdminOptions): Admin {
  const { names, declarer, letters, entries } = options
  const exists = async (queue: string) => (await declarer.count(queue)) !== undefined

  return {
    async topics(only) {
      const all = await entries()
      const found: TopicSummary[] = []
      const wanted = all.flatMap((entry) => (entry.kind === 'topic' && (only?.includes(entry.topic) ?? true) ? entry.topic : []))
      for (const topic of new Set(wanted)) {
        if (!(await declarer.hasExchange(names.topic(topic)))) continue
        const groups: string[] = []
        const declared = new Set(all.flatMap((entry) => (entry.kind === 'group' && entry.topic === topic ? entry.group : [])))
        for (const group of declared) if (await exists(names.work(topic, group))) groups.push(group)
        const unclaimed = groups.length === 0 ? await declarer.count(names.unclaimed(topic)) : undefined
        found.push({ topic, groups, ...(unclaimed && { kept: unclaimed.ready }) })
      }
      return found
    },
    /** What is in flight or delayed only the broker's own pages know. Of a group that has not started: what it would find. */
    async depth(topic, group) {
      const work = await declarer.count(names.work(topic, group))
      const dead = await letters.count(topic, group)
      if (work) return { ready: work.ready, dead, members: work.consumers }
      return { ready: (await declarer.count(names.unclaimed(topic)))?.ready ?? 0, dead, members: 0 }
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

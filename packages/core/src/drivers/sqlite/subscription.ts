import type { Clock, Delivery, SubscribeOptions, Subscription, SubscriptionState } from '../../driver.ts'
import { claim } from './claim.ts'
import type { Connection } from './connection.ts'
import type { Place } from './dead-letters.ts'
import { forget, groupTaken, type Joined, join, leave, pause, releaseDead } from './membership.ts'
import { change, dueAt, loseAll, loseRange, type Reader, release } from './reader.ts'
import { settle } from './settle.ts'
import { handBack } from './span.ts'
import type { Topic, Topics } from './topics.ts'
import type { Transaction } from './transaction.ts'

export interface SubscriptionContext {
  readonly connection: Connection
  readonly topics: Topics
  readonly clock: Clock
  readonly prefix: string
  /** Of all subscriptions of this driver. */
  readonly readers: Set<Reader>
  readonly placeOf: (topic: string, group: string) => Place
  /** The name of the file whose lock says that we live. */
  readonly ownerFile: () => string
}

/** A subscription as its driver sees it. */
export interface Member extends Subscription {
  /** The file is gone: nothing that was out can be settled. */
  lose(error: Error): void
  /** In the new file. */
  rejoin(): Promise<void>
  /** What was wrong with the file is over. */
  recover(): void
  /** Nothing is delivered any more, at once. */
  mute(): void
  /** Gives back what is out, uncounted, and leaves. */
  handBack(tx: Transaction): void
  /** From now on every settlement is too late. */
  end(): readonly Delivery[]
}

export async function subscribe(options: SubscribeOptions, context: SubscriptionContext): Promise<Member> {
  const { connection, topics, clock, prefix, readers } = context
  const { group } = options
  const names = [...new Set(options.topics)]
  let mine: Reader[] = []
  let limit = options.limit
  let stopped: Promise<void> | undefined
  let muted = false
  let state: SubscriptionState['kind'] = 'consuming'

  async function enter(from: SubscribeOptions['from']): Promise<void> {
    const joined = await firstFree(from)
    if (joined.kind === 'taken') throw groupTaken(group)
    mine = joined.topics.map((topic) => newReader(topic, joined.member))
    for (const reader of mine) {
      if (stopped) reader.stopped = true
      readers.add(reader)
      connection.hungry(reader)
    }
    if (limit === 0) await connection.write((tx) => pause(connection, joined.member, true, tx))
  }

  /** A member that died a moment ago is still registered: that is no reason to refuse. */
  async function firstFree(from: SubscribeOptions['from']): Promise<Joined> {
    const attempt = () =>
      connection.write((tx) => {
        const file = context.ownerFile()
        return join(connection, topics, { topics: names.map((name) => prefix + name), group, from, exclusive: options.exclusive, file }, tx)
      })
    const first = await attempt()
    if (first.kind === 'joined') return first
    await releaseDead(connection, context.ownerFile())
    return attempt()
  }

  function newReader(topic: Topic, member: number): Reader {
    const reader: Reader = {
      connection,
      topics,
      clock,
      group,
      topic,
      topicName: topic.name.slice(prefix.length),
      member,
      ranges: new Map(),
      delayedOut: new Map(),
      out: 0,
      suspect: undefined,
      limit,
      stopped: false,
      turn: 0,
      lookedAt: -1,
      members: 1,
      free: [],
      nextDueAt: Number.POSITIVE_INFINITY,
      starved: false,
      cancelDue: undefined,
      deliver(deliveries) {
        healthy()
        if (!muted) options.onDeliveries(deliveries)
      },
      lost: options.onLost,
      eat: (tx) => claim(reader, tx),
      trouble,
    }
    return reader
  }

  function trouble(error: Error): void {
    if (state === 'reconnecting' || muted) return
    state = 'reconnecting'
    options.onState({ kind: 'reconnecting', error })
  }

  function healthy(): void {
    if (state === 'consuming' || muted) return
    state = 'consuming'
    options.onState({ kind: 'consuming' })
  }

  function onDelayed({ group, topic }: Reader, at: number): void {
    for (const reader of readers) if (reader.group === group && reader.topic === topic && at < reader.nextDueAt) dueAt(reader, at)
  }

  async function drainAndLeave(): Promise<void> {
    for (const reader of mine) {
      reader.stopped = true
      reader.cancelDue?.()
      connection.hungry(reader)
    }
    const member = mine[0]?.member
    if (member === undefined || !connection.isOpen) return
    // Not left in the file, it is still muted; and whoever comes next finds out when this process ends.
    await connection.write((tx) => leave(connection, member, tx)).catch(() => {})
  }

  function end(): readonly Delivery[] {
    const gone = mine.flatMap(loseAll)
    for (const reader of mine) readers.delete(reader)
    mine = []
    return gone
  }

  await enter(options.from)
  options.onState({ kind: 'consuming' })

  return {
    async settle(settlements) {
      try {
        await settle(settlements, {
          connection,
          onDelayed,
          owns: (reader) => mine.includes(reader),
          placeOf: ({ topicName }) => context.placeOf(topicName, group),
        })
        healthy()
      } catch (error) {
        if (error instanceof Error && error.cause instanceof Error) trouble(error.cause)
        throw error
      }
    },
    limit(deliveries) {
      const wasPaused = limit === 0
      limit = deliveries
      for (const reader of mine) {
        reader.limit = deliveries
        connection.hungry(reader)
      }
      const member = mine[0]?.member
      const paused = deliveries === 0
      if (member === undefined || stopped || paused === wasPaused) return
      // What it may have is decided by memory; the row only tells the others.
      connection.write((tx) => pause(connection, member, limit === 0, tx)).catch(trouble)
    },
    stop() {
      stopped ??= drainAndLeave()
      return stopped
    },
    mute() {
      muted = true
      for (const reader of mine) reader.stopped = true
    },
    recover: healthy,
    lose(error) {
      const gone = end()
      if (gone.length > 0) options.onLost(gone)
      trouble(error)
    },
    async rejoin() {
      if (stopped || muted || mine.length > 0) return
      // Everything in the new file came after this group had started.
      await enter('earliest')
      healthy()
    },
    handBack(tx) {
      for (const reader of mine) giveBack(reader, tx)
      const member = mine[0]?.member
      if (member === undefined) return
      connection.run('UPDATE due SET owner = NULL WHERE owner = ?', member)
      forget(connection, member)
    },
    end,
  }
}

function giveBack(reader: Reader, tx: Transaction): void {
  for (const range of [...reader.ranges.values()]) {
    change(range, tx)
    handBack(range.span)
    release(reader, range, tx)
    tx.afterCommit(() => loseRange(reader, range))
  }
}

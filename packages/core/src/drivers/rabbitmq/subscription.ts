import type { Channel } from 'amqplib'
import { type Clock, sleep } from '../../clock.ts'
import type { SubscribeOptions, Subscription, SubscriptionState } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { backOff } from '../back-off.ts'
import { closed, type Link } from './connection.ts'
import type { Declarer } from './declare.ts'
import { Owner } from './owner.ts'
import { workThing } from './places.ts'
import { Reader } from './reader.ts'
import { type SettleOptions, settle } from './settle.ts'
import { takeOver } from './unclaimed.ts'
import { copyOf } from './wire.ts'

export interface SubscriptionContext extends SettleOptions {
  readonly link: Link
  readonly declarer: Declarer
  readonly clock: Clock
  readonly timeoutMs: number
  /** The driver is being closed. */
  readonly closing: AbortSignal
  /** Queues that a member of this driver owns. */
  readonly owned: Set<string>
}

/** A subscription as its driver sees it. */
export interface Member extends Subscription {
  /** Stops, gives back what is not settled, and settles nothing from then on. */
  end(): Promise<void>
}

/** So long a group's first backlog is moved before what is published comes in beside it. */
const TAKE_OVER_FIRST_MS = 5_000
/** What was on its way when the group began lands where nobody looks any more, so somebody does: soon, and now and then. */
const SWEEPS_MS = [200, 1_000, 5_000]
const SWEEP_EVERY_MS = 60_000

export async function subscribe(options: SubscribeOptions, context: SubscriptionContext): Promise<Member> {
  const { link, names, topology, clock, publisher, targets, declarer } = context
  const { group } = options
  const stopping = new AbortController()
  const waitMs = backOff()
  let state: SubscriptionState['kind'] | 'new' = 'new'
  let stopped: Promise<void> | undefined
  let ended: Promise<void> | undefined
  const settling = new Set<Promise<void>>()
  const background = new Set<Promise<void>>()

  const places = [...new Set(options.topics)].map((topic) => {
    const reader: Reader = new Reader({
      topic,
      group,
      queue: names.work(topic, group),
      limit: options.limit,
      clock,
      onDeliveries: options.onDeliveries,
      onLost: options.onLost,
      onClosed(error) {
        trouble(error)
        if (!stopped) inBackground(comeBack(topic, reader, owner))
      },
    })
    const owner = options.exclusive ? new Owner(link, names.owner(topic, group), context.owned) : undefined
    return { topic, reader, owner }
  })
  const readers = places.map(({ reader }) => reader)

  function inBackground(work: Promise<void>): void {
    const tracked = work.finally(() => background.delete(tracked))
    background.add(tracked)
  }

  function trouble(error: Error): void {
    if (state !== 'consuming' || stopped) return
    state = 'reconnecting'
    options.onState({ kind: 'reconnecting', error })
  }

  function healthy(): void {
    if (state === 'consuming' || stopped || !readers.every(({ isOpen }) => isOpen)) return
    state = 'consuming'
    options.onState({ kind: 'consuming' })
  }

  async function enter(topic: string, reader: Reader, owner: Owner | undefined): Promise<void> {
    const model = await link.up(context.timeoutMs)
    if (!model)
      throw context.closing.aborted
        ? closed()
        : new CorebusError('CONNECTION_LOST', `no connection to RabbitMQ within ${context.timeoutMs} ms`)
    await owner?.take(group, topic)
    await reader.open(model)
  }

  /** Everything published from now on is the group's. */
  async function bind(topic: string): Promise<void> {
    if (!topology.mayCreate) return
    const bound = (channel: Channel) => channel.bindQueue(names.work(topic, group), names.topic(topic), '#')
    if (await declarer.unlessMissing(bound)) return
    await topology.remakeTopic(topic)
    await declarer.run(bound)
  }

  const moveUnclaimed = (topic: string, withinMs: number) =>
    takeOver(
      { topic, group, names, declarer, publisher, targets, clock, signal: AbortSignal.any([stopping.signal, context.closing]) },
      withinMs,
    )

  async function begin(topic: string, reader: Reader, owner: Owner | undefined): Promise<void> {
    await enterOrMake(topic, reader, owner)
    // In this order: what waits comes before what is published meanwhile, as long as that can be kept up.
    if (options.from === 'earliest') await moveUnclaimed(topic, TAKE_OVER_FIRST_MS)
    await bind(topic)
    if (options.from === 'earliest') inBackground(sweep(topic))
  }

  async function enterOrMake(topic: string, reader: Reader, owner: Owner | undefined): Promise<void> {
    try {
      await enter(topic, reader, owner)
    } catch (thrown) {
      if (!isMissing(thrown)) throw thrown
      // Deleted, by hand or with all of the broker's data.
      await topology.remake([workThing(names, topic, group)])
      await bind(topic)
      await enter(topic, reader, owner)
    }
  }

  async function sweep(topic: string): Promise<void> {
    for (let n = 0; !stopped; n++) {
      await sleep(clock, SWEEPS_MS[n] ?? SWEEP_EVERY_MS, stopping.signal)
      if (stopped) return
      try {
        const left = ((await declarer.count(names.unclaimed(topic)))?.ready ?? 0) > 0
        if (!left) continue
        // Something came by although this group reads the topic: its binding may be gone.
        await bind(topic)
        await moveUnclaimed(topic, Number.POSITIVE_INFINITY)
      } catch {
        // No connection: what is there is still there next time.
      }
    }
  }

  async function comeBack(topic: string, reader: Reader, owner: Owner | undefined): Promise<void> {
    for (let n = 1; !stopped; n++) {
      await sleep(clock, waitMs(n), stopping.signal)
      if (stopped) return
      try {
        await enterOrMake(topic, reader, owner)
        healthy()
        // While the queue was gone, what was published waited elsewhere.
        if (options.from === 'earliest') await moveUnclaimed(topic, Number.POSITIVE_INFINITY)
        return
      } catch {
        // Said once, when it was lost. A member whose connection was cut owns its group until the broker notices, too.
        if (reader.isOpen) return
      }
    }
  }

  async function stop(): Promise<void> {
    stopping.abort()
    await Promise.all(readers.map((reader) => reader.stop()))
    for (const { reader, owner } of places) {
      await giveBack(reader, true)
      if (owner) inBackground(reader.settled().then(() => owner.release()))
    }
  }

  /** As fresh copies: the broker counts whatever it takes back itself. Stored before they are acknowledged. */
  async function giveBack(reader: Reader, onlyHidden: boolean): Promise<void> {
    const mine = reader.held.filter(({ state, hidden }) => state === 'out' && (hidden || !onlyHidden))
    for (const receipt of mine) receipt.state = 'settling'
    const target = targets.work(reader.topic, group)
    const stored = await Promise.allSettled(mine.map(({ raw }) => publisher.store(target, copyOf(raw, {}, names.delay('')))))
    // What could not be stored the broker takes back with the channel, and counts it.
    await reader.acknowledge(mine.filter((_, i) => stored[i]?.status === 'fulfilled'))
  }

  async function end(): Promise<void> {
    stopped ??= stop()
    await stopped
    await Promise.allSettled(settling)
    for (const reader of readers) await giveBack(reader, false)
    for (const { reader, owner } of places) {
      await reader.close()
      await owner?.release()
    }
    await Promise.all(background)
  }

  try {
    await Promise.all(places.map(({ topic, reader, owner }) => begin(topic, reader, owner)))
    healthy()
  } catch (error) {
    await end()
    throw error
  }

  return {
    settle(settlements) {
      const work = settle(settlements, readers, context).then(() => released())
      const tracked: Promise<void> = work.catch(() => {}).finally(() => settling.delete(tracked))
      settling.add(tracked)
      return work
    },
    limit(deliveries) {
      for (const reader of readers) reader.limit(deliveries)
    },
    stop() {
      stopped ??= stop()
      return stopped
    },
    end() {
      ended ??= end()
      return ended
    },
  }

  /** Whoever waits for the group may come as soon as the last message of a stopped member is settled. */
  async function released(): Promise<void> {
    if (!stopped || !options.exclusive) return
    for (const { reader, owner } of places) if (reader.held.length === 0) await owner?.release()
  }
}

function isMissing(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && (thrown.code === 404 || thrown.code === 'NOT_FOUND')
}

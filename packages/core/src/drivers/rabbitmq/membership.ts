import { type Clock, monotonic, sleep } from '../../clock.ts'
import type { SubscribeOptions } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { backOff } from '../back-off.ts'
import type { MembershipEvents, TopicMembership } from '../memberships.ts'
import { closed, type Link } from './connection.ts'
import { copyOf } from './copy.ts'
import type { Declarer } from './declare.ts'
import { refusalOf } from './failure.ts'
import { newlyGivenUp } from './given-up.ts'
import { HandedBack } from './handed-back.ts'
import { Owner } from './owner.ts'
import { Reader } from './reader.ts'
import { redo } from './redo.ts'
import type { SettleOptions } from './settle.ts'
import { takeOver } from './unclaimed.ts'
import { unsettledBefore } from './wire.ts'

export interface MembershipContext extends SettleOptions {
  readonly link: Link
  readonly declarer: Declarer
  readonly clock: Clock
  readonly timeoutMs: number
  /** The driver is being closed. */
  readonly closing: AbortSignal
  /** How many messages of this group the broker has given up by itself. */
  readonly givenUp: (topic: string, group: string) => Promise<number>
  /** Queues that a member of this driver owns. */
  readonly owned: Set<string>
}

/** So long a group's first backlog is moved before what is published comes in beside it. */
const TAKE_OVER_FIRST_MS = 5_000
/** What was on its way when the group began lands where nobody looks any more, so somebody does: soon, and now and then. */
const SWEEPS_MS = [200, 1_000, 5_000]
const SWEEP_EVERY_MS = 15_000
const OWNER_NOTICED_MS = 30_000

/** One member's part in one topic. */
export class Membership implements TopicMembership {
  readonly reader: Reader
  readonly #topic: string
  readonly #options: SubscribeOptions
  readonly #context: MembershipContext
  readonly #events: MembershipEvents
  readonly #owner: Owner | undefined
  /** Of a group that keeps its order. */
  readonly #handedBack: HandedBack | undefined
  readonly #stopping = new AbortController()
  readonly #background = new Set<Promise<void>>()
  readonly #waitMs = backOff()
  /** How much was there when somebody last looked. */
  #givenUp = { all: 0, own: 0 }

  constructor(topic: string, options: SubscribeOptions, context: MembershipContext, events: MembershipEvents) {
    const { names, link, owned, clock } = context
    const { group, limit, onDeliveries, onLost, exclusive } = options
    this.#topic = topic
    this.#options = options
    this.#context = context
    this.#events = events
    this.#owner = exclusive ? new Owner(link, names.owner(topic, group), owned) : undefined
    this.#handedBack = exclusive
      ? new HandedBack({ ...context, queue: names.handedBack(topic, group), mayCreate: () => context.topology.mayCreate })
      : undefined
    this.reader = new Reader({
      topic,
      exchange: names.topic(topic),
      group,
      queue: names.work(topic, group),
      limit,
      clock,
      onDeliveries,
      onLost,
      unsettledBefore: (raw) => {
        const counted = unsettledBefore(raw, link.counter)
        return this.#handedBack?.less(raw, counted) ?? counted
      },
      onClosed: (error) => this.#closed(error),
    })
  }

  /** @throws GROUP_TAKEN, and what the broker says of the queue. */
  async begin(): Promise<void> {
    const { topology, clock, timeoutMs, closing } = this.#context
    const { group, from } = this.#options
    await redo(() => this.#enterOrMake(), { clock, timeoutMs, signal: closing })
    // In this order: what waits comes before what is published meanwhile, as long as that can be kept up.
    if (from === 'earliest') await this.#takeOver(TAKE_OVER_FIRST_MS)
    await topology.bind(this.#topic, group)
    this.#inBackground(this.#sweep())
  }

  /** No new delivery reaches the core. What came in between goes back at once. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.reader.stop()
    if (!this.#handedBack) await this.#giveBack(({ hidden }) => hidden)
    this.#inBackground(this.reader.settled().then(() => this.#owner?.release()))
  }

  /** Whoever waits for the group may come as soon as the last message of a stopped member is settled. */
  async settled(): Promise<void> {
    if (this.#owner && this.#stopping.signal.aborted && this.reader.held.length === 0) await this.#owner.release()
  }

  get isOpen(): boolean {
    return this.reader.isOpen
  }

  limit(deliveries: number): void {
    this.reader.limit(deliveries)
  }

  /** What is being settled is no more to give back: its copy may be stored already. */
  async end(settling: () => Promise<unknown>): Promise<void> {
    await settling()
    if (this.#handedBack) await this.#giveBackInOrder(this.#handedBack)
    else await this.#giveBack(() => true)
    await this.reader.close()
    await this.#owner?.release()
    await Promise.all(this.#background)
  }

  /** As fresh copies: the broker counts whatever it takes back itself. Stored before they are acknowledged. */
  async #giveBack(which: (receipt: Reader['held'][number]) => boolean): Promise<void> {
    const { publisher, targets, names } = this.#context
    const mine = this.reader.held.filter((receipt) => receipt.state === 'out' && which(receipt))
    for (const receipt of mine) receipt.state = 'settling'
    const target = targets.work(this.#topic, this.#options.group)
    const stored = await Promise.allSettled(mine.map(async ({ raw }) => publisher.store(target, copyOf(raw, {}, names.delay('')))))
    // What could not be stored the broker takes back with the channel, and counts it.
    await this.reader.acknowledge(mine.filter((_, i) => stored[i]?.status === 'fulfilled'))
  }

  /** By the end of the channel. */
  async #giveBackInOrder(handedBack: HandedBack): Promise<void> {
    try {
      await this.reader.absorb()
      await handedBack.store(this.reader.held)
    } catch {
      // No connection: then the broker takes back and counts what it had sent.
    }
  }

  #closed(error: Error): void {
    if (this.#stopping.signal.aborted) return
    this.#events.onTrouble(error)
    this.#inBackground(this.#comeBack())
  }

  async #enter(): Promise<void> {
    const { link, timeoutMs } = this.#context
    const model = await link.up(timeoutMs, this.#stopping.signal)
    if (this.#stopping.signal.aborted) throw closed()
    if (!model) throw new CorebusError('CONNECTION_LOST', `no connection to RabbitMQ within ${timeoutMs} ms`)
    await this.#owner?.take(this.#options.group, this.#topic)
    await this.#handedBack?.load()
    await this.reader.open(model)
  }

  async #enterOrMake(): Promise<void> {
    const { topology } = this.#context
    const { group } = this.#options
    try {
      await this.#enter()
    } catch (thrown) {
      if (!isMissing(thrown)) throw thrown
      // Deleted, by hand or with all of the broker's data.
      await topology.remakeGroup(this.#topic, group)
      await topology.bind(this.#topic, group)
      await this.#enter()
    }
  }

  async #comeBack(): Promise<void> {
    const { clock } = this.#context
    const lostAt = monotonic(clock)
    for (let n = 1; ; n++) {
      await sleep(clock, this.#waitMs(n), this.#stopping.signal)
      if (this.#stopping.signal.aborted) return
      try {
        await this.#enterOrMake()
        break
      } catch (thrown) {
        // That it is lost was said; what the broker refuses is news.
        const refused = refusalOf(thrown)?.error ?? thrown
        if (!(refused instanceof CorebusError) || refused.code === 'CONNECTION_LOST' || this.#stopping.signal.aborted) continue
        // A member whose connection was cut owns its group until the broker notices, too.
        if (refused.code === 'GROUP_TAKEN' && monotonic(clock) - lostAt < OWNER_NOTICED_MS) continue
        this.#events.onKeptAway(refused)
      }
    }
    this.#events.onBack()
    // While the queue was gone, what was published waited elsewhere. What is not moved now is when somebody looks again.
    if (this.#options.from === 'earliest') await this.#takeOver(Number.POSITIVE_INFINITY).catch(() => {})
  }

  async #takeOver(withinMs: number): Promise<void> {
    const { closing } = this.#context
    const options = { topic: this.#topic, group: this.#options.group, signal: AbortSignal.any([this.#stopping.signal, closing]) }
    try {
      await takeOver({ ...this.#context, ...options }, withinMs)
    } catch (thrown) {
      // What a lost connection leaves is moved by the next look; what may not be read never would be.
      if (thrown instanceof CorebusError && thrown.code === 'ACCESS_REFUSED') throw thrown
    }
  }

  async #sweep(): Promise<void> {
    const { clock } = this.#context
    for (let n = 0; ; n++) {
      await sleep(clock, SWEEPS_MS[n] ?? SWEEP_EVERY_MS, this.#stopping.signal)
      if (this.#stopping.signal.aborted) return
      try {
        await this.#claim()
        await this.#sayGivenUp()
      } catch {
        // No connection: what is there is still there next time.
      }
    }
  }

  async #claim(): Promise<void> {
    const { declarer, names, topology } = this.#context
    const left = (await declarer.count(names.unclaimed(this.#topic)))?.ready ?? 0
    if (left === 0) return
    // Something came by although this group reads the topic: its binding may be gone.
    await topology.bind(this.#topic, this.#options.group)
    if (this.#options.from === 'earliest') await this.#takeOver(Number.POSITIVE_INFINITY)
  }

  /** All groups share the place of what the broker has given up, so it is read only when there is more in it than before. */
  async #sayGivenUp(): Promise<void> {
    const { declarer, names, givenUp } = this.#context
    const { group } = this.#options
    const all = (await declarer.count(names.givenUp))?.ready ?? 0
    // Some were handed back or deleted, perhaps ours: what comes next is said, whatever was there before.
    if (all < this.#givenUp.all) this.#givenUp = { all, own: 0 }
    if (all <= this.#givenUp.all) return
    const own = await givenUp(this.#topic, group)
    if (own > this.#givenUp.own) this.#events.onNotice(newlyGivenUp({ topic: this.#topic, group, count: own }))
    this.#givenUp = { all, own }
  }

  #inBackground(work: Promise<void>): void {
    const tracked = work.finally(() => this.#background.delete(tracked))
    this.#background.add(tracked)
  }
}

function isMissing(thrown: unknown): boolean {
  return refusalOf(thrown)?.kind === 'missing' || (thrown instanceof CorebusError && thrown.code === 'NOT_FOUND')
}

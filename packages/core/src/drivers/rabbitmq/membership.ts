import { type Clock, monotonic, sleep } from '../../clock.ts'
import type { SubscribeOptions } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { backOff } from '../back-off.ts'
import type { MembershipEvents, TopicMembership } from '../memberships.ts'
import type { Bound } from './bindings.ts'
import { closed, type Link } from './connection.ts'
import { copyOf } from './copy.ts'
import type { Declarer } from './declare.ts'
import { refusalOf } from './failure.ts'
import { groupReaders } from './group-readers.ts'
import { HandedBack } from './handed-back.ts'
import { isAlsoAQueue, madeEarlier } from './notices.ts'
import { Owner } from './owner.ts'
import type { Reader } from './reader.ts'
import { redo } from './redo.ts'
import type { OurSource } from './registry.ts'
import type { SettleOptions } from './settle.ts'
import { inExclusiveUse, lacksOf, lookAtTheirs, type QueueType, sourceOf, theirsIsGone } from './source.ts'
import type { Split } from './split.ts'
import { Sweeps } from './sweeps.ts'
import { takeOver } from './unclaimed.ts'

export interface MembershipContext extends SettleOptions {
  readonly link: Link
  readonly declarer: Declarer
  readonly clock: Clock
  readonly timeoutMs: number
  /** How many messages of this group the broker has given up by itself. */
  readonly givenUp: (topic: string, group: string) => Promise<number>
  /** So many members of the group have said that they are there; undefined where they do not talk. */
  readonly membersKnown: (group: string) => number | undefined
  /** Queues that a member of this driver owns. */
  readonly owned: Set<string>
}

/** So long a group's first backlog is moved before what is published comes in beside it. */
const TAKE_OVER_FIRST_MS = 5_000
const OWNER_NOTICED_MS = 30_000

/** One member's part in one topic. */
export class Membership implements TopicMembership {
  readonly readers: readonly Reader[]
  readonly #source: OurSource | undefined
  readonly #split: Split | undefined
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
  #theirType: QueueType | undefined
  #entering: Promise<void> | undefined
  #isComingBack = false

  constructor(topic: string, options: SubscribeOptions, context: MembershipContext, events: MembershipEvents) {
    const { names, link, owned, topology } = context
    const { group, exclusive } = options
    this.#topic = topic
    this.#options = options
    this.#context = context
    this.#events = events
    this.#owner = exclusive ? new Owner(link, names.owner(topic, group), owned) : undefined
    const declared = topology.group(topic, group)
    const said = options.sources?.get(topic)
    this.#source = said ? sourceOf(said, { topic, group, names }) : declared?.source
    this.#handedBack =
      exclusive && this.#theirQueue === undefined
        ? new HandedBack({ ...context, queue: names.handedBack(topic, group), mayCreate: () => topology.mayCreate })
        : undefined
    const { readers, split } = groupReaders({
      topic,
      context,
      declared,
      source: this.#source,
      subscribed: options,
      handedBack: this.#handedBack,
      theyCount: () => this.#theirType === 'quorum',
      onClosed: (error) => this.#closed(error),
    })
    this.readers = readers
    this.#split = split
  }

  /** @throws GROUP_TAKEN, and what the broker says of the queue. */
  async begin(): Promise<void> {
    const { topology, clock, timeoutMs, closing } = this.#context
    const { from } = this.#options
    if (this.#theirQueue !== undefined) await this.#lookAtTheirs(this.#theirQueue)
    await redo(() => this.#enterOrMake(), { clock, timeoutMs, signal: closing }).catch((error: unknown) => {
      throw inExclusiveUse(error, this.#options.group)
    })
    // In this order: what waits comes before what is published meanwhile, as long as that can be kept up.
    if (from === 'earliest' && !this.#source) await this.#takeOver(TAKE_OVER_FIRST_MS)
    await topology.bindings.bind(this.#bound, topology.mayCreate)
    if (topology.mayCreate) for (const left of await topology.bindings.unbindOthers(this.#bound)) this.#events.onNotice(left)
    await this.#sayWhatIsOdd()
    this.#split?.begin()
    const takeOver = from === 'earliest' && !this.#source ? () => this.#takeOver(Number.POSITIVE_INFINITY) : undefined
    const sweeps = new Sweeps({
      bound: this.#bound,
      context: this.#context,
      onNotice: this.#events.onNotice,
      isKeptAway: () => this.#isComingBack,
      takeOver,
    })
    this.#inBackground(sweeps.run(this.#stopping.signal))
  }

  /** No new delivery reaches the core. What came in between goes back at once. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#split?.end()
    await Promise.all(this.readers.map((reader) => reader.stop()))
    if (!this.#handedBack) await this.#giveBack(({ hidden }) => hidden)
    this.#inBackground(this.#settled().then(() => this.#owner?.release()))
  }

  /** Whoever waits for the group may come as soon as the last message of a stopped member is settled. */
  async settled(): Promise<void> {
    if (this.#owner && this.#stopping.signal.aborted && this.readers.every(({ isIdle }) => isIdle)) await this.#owner.release()
  }

  get isOpen(): boolean {
    return this.readers.every(({ isOpen }) => isOpen)
  }

  limit(deliveries: number): void {
    if (this.#split) this.#split.limit(deliveries)
    else for (const reader of this.readers) reader.limit(deliveries)
  }

  /** What is being settled is no more to give back: its copy may be stored already. */
  async end(settling: () => Promise<unknown>): Promise<void> {
    await settling()
    if (this.#handedBack) await this.#giveBackInOrder(this.#handedBack)
    else await this.#giveBack(() => true)
    await Promise.all(this.readers.map((reader) => reader.close()))
    await this.#owner?.release()
    await Promise.all(this.#background)
  }

  get #theirQueue(): string | undefined {
    return this.#source && 'queue' in this.#source ? this.#source.queue : undefined
  }

  get #bound(): Bound {
    return { topic: this.#topic, group: this.#options.group, source: this.#source }
  }

  /** @throws CorebusError SOURCE for one that cannot be read */
  async #lookAtTheirs(queue: string): Promise<void> {
    const by = { topic: this.#topic, group: this.#options.group }
    const found = await lookAtTheirs(queue, this.#context.declarer, by)
    if (!found) throw theirsIsGone(queue, by)
    this.#theirType = found.type
    this.#events.onNotice(lacksOf(queue, found, by))
  }

  async #sayWhatIsOdd(): Promise<void> {
    const { declarer, names, topology } = this.#context
    if (this.#source) return
    const exchange = names.topic(this.#topic)
    const earlier = topology.earlier(this.#topic)
    if (earlier !== undefined) this.#events.onNotice(madeEarlier(exchange, earlier))
    if ((await declarer.count(exchange)) !== undefined) this.#events.onNotice(isAlsoAQueue(this.#topic, exchange))
  }

  async #settled(): Promise<void> {
    await Promise.all(this.readers.map((reader) => reader.settled()))
  }

  /** As fresh copies: the broker counts whatever it takes back itself. Stored before they are acknowledged. To others it goes back by their broker. */
  async #giveBack(which: (receipt: Reader['held'][number]) => boolean): Promise<void> {
    const { publisher, targets, names } = this.#context
    const target = targets.work(this.#topic, this.#options.group)
    for (const reader of this.readers) {
      const mine = reader.held.filter((receipt) => receipt.state === 'out' && which(receipt))
      if (this.#theirQueue !== undefined && reader === this.readers[0]) {
        reader.requeue(mine)
        continue
      }
      for (const receipt of mine) receipt.state = 'settling'
      const copying = { delayPlace: names.delay(''), home: reader.home }
      const stored = await Promise.allSettled(mine.map(async ({ raw }) => publisher.store(target, copyOf(raw, {}, copying))))
      // What could not be stored the broker takes back with the channel, and counts it.
      await reader.acknowledge(mine.filter((_, i) => stored[i]?.status === 'fulfilled'))
    }
  }

  /** By the end of the channel. */
  async #giveBackInOrder(handedBack: HandedBack): Promise<void> {
    try {
      for (const reader of this.readers) {
        await reader.absorb()
        await handedBack.store(reader.held)
      }
    } catch {
      // No connection: then the broker takes back and counts what it had sent.
    }
  }

  #closed(error: Error): void {
    if (this.#stopping.signal.aborted) return
    this.#events.onTrouble(error)
    // Of two queues both may be lost at once.
    if (this.#isComingBack) return
    this.#isComingBack = true
    this.#inBackground(this.#comeBack())
  }

  async #enter(): Promise<void> {
    const { link, timeoutMs } = this.#context
    const model = await link.up(timeoutMs, this.#stopping.signal)
    if (this.#stopping.signal.aborted) throw closed()
    if (!model) throw new CorebusError('CONNECTION_LOST', `no connection to RabbitMQ within ${timeoutMs} ms`)
    await this.#owner?.take(this.#options.group, this.#topic)
    await this.#handedBack?.load()
    for (const reader of this.readers) if (!reader.isOpen) await reader.open(model)
  }

  /** Whoever asks meanwhile waits for the same. */
  #enterOrMake(): Promise<void> {
    this.#entering ??= this.#enterOrMakeOnce().finally(() => {
      this.#entering = undefined
    })
    return this.#entering
  }

  async #enterOrMakeOnce(): Promise<void> {
    const { topology, declarer } = this.#context
    const { group } = this.#options
    try {
      await this.#enter()
    } catch (thrown) {
      if (!isMissing(thrown)) throw thrown
      const theirs = this.#theirQueue
      if (theirs !== undefined && (await declarer.count(theirs)) === undefined) throw theirsIsGone(theirs, { topic: this.#topic, group })
      // Deleted, by hand or with all of the broker's data.
      await topology.remakeGroup(this.#topic, group)
      await topology.bindings.bind(this.#bound, topology.mayCreate)
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
        if (this.isOpen) break
      } catch (thrown) {
        // That it is lost was said; what the broker refuses is news.
        const refused = refusalOf(thrown)?.error ?? thrown
        if (!(refused instanceof CorebusError) || refused.code === 'CONNECTION_LOST' || this.#stopping.signal.aborted) continue
        // A member whose connection was cut owns its group until the broker notices, too.
        if (refused.code === 'GROUP_TAKEN' && monotonic(clock) - lostAt < OWNER_NOTICED_MS) continue
        this.#events.onKeptAway(refused)
      }
    }
    this.#isComingBack = false
    this.#events.onBack()
    // While the queue was gone, what was published waited elsewhere. What is not moved now is when somebody looks again.
    if (this.#options.from === 'earliest' && !this.#source) await this.#takeOver(Number.POSITIVE_INFINITY).catch(() => {})
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

  #inBackground(work: Promise<void>): void {
    const tracked = work.finally(() => this.#background.delete(tracked))
    this.#background.add(tracked)
  }
}

function isMissing(thrown: unknown): boolean {
  return refusalOf(thrown)?.kind === 'missing' || (thrown instanceof CorebusError && thrown.code === 'NOT_FOUND')
}

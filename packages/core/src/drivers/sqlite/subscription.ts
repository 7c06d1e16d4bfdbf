import type { Clock, Delivery, Settlement, SubscribeOptions, Subscription, SubscriptionState } from '../../driver.ts'
import type { Connection } from './connection.ts'
import type { Place } from './dead-letters.ts'
import type { Lookout } from './lookout.ts'
import { forget, groupTaken, type Joined, join, leave, pause, releaseDead } from './membership.ts'
import { Reader } from './reader.ts'
import { settle } from './settle.ts'
import type { Topic, Topics } from './topics.ts'
import type { Transaction } from './transaction.ts'

export interface SubscriptionContext {
  readonly connection: Connection
  readonly topics: Topics
  readonly clock: Clock
  readonly prefix: string
  /** Of all subscriptions of this driver. */
  readonly lookout: Lookout
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
  end(): void
}

/** @throws CorebusError GROUP_TAKEN */
export async function subscribe(options: SubscribeOptions, context: SubscriptionContext): Promise<Member> {
  const subscription = new SqliteSubscription(options, context)
  await subscription.begin()
  return subscription
}

/** One member of a group: a reader for each of its topics, and what is said of all of them. */
class SqliteSubscription implements Member {
  readonly #options: SubscribeOptions
  readonly #context: SubscriptionContext
  /** One for each topic while it is a member; none while the file is gone, and after the end. */
  #readers: readonly Reader[] = []
  #limit: number
  #stopping: Promise<void> | undefined
  #muted = false
  #state: SubscriptionState['kind'] = 'consuming'

  constructor(options: SubscribeOptions, context: SubscriptionContext) {
    this.#options = options
    this.#context = context
    this.#limit = options.limit
  }

  /** @throws CorebusError GROUP_TAKEN */
  async begin(): Promise<void> {
    await this.#enter(this.#options.from)
    this.#options.onState({ kind: 'consuming' })
  }

  async settle(settlements: readonly Settlement[]): Promise<void> {
    const { connection, placeOf, lookout } = this.#context
    try {
      await settle(settlements, {
        connection,
        owns: (reader) => this.#readers.includes(reader),
        placeOf: ({ topicName }) => placeOf(topicName, this.#options.group),
        onDelayed: (reader, dueAt) => lookout.dueBy(reader, dueAt),
      })
      this.#healthy()
    } catch (error) {
      if (error instanceof Error && error.cause instanceof Error) this.#trouble(error.cause)
      throw error
    }
  }

  limit(deliveries: number): void {
    const { connection } = this.#context
    const wasPaused = this.#limit === 0
    this.#limit = deliveries
    for (const reader of this.#readers) reader.limitTo(deliveries)
    const member = this.#member
    const isPaused = deliveries === 0
    if (member === undefined || this.#stopping || isPaused === wasPaused) return
    // What it may have is decided by memory; the row only tells the others.
    connection.write((tx) => pause(connection, member, this.#limit === 0, tx)).catch((error) => this.#trouble(error))
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#drainAndLeave()
    return this.#stopping
  }

  mute(): void {
    this.#muted = true
    for (const reader of this.#readers) reader.stop()
  }

  recover(): void {
    this.#healthy()
  }

  lose(error: Error): void {
    const lost = this.#loseAll()
    if (lost.length > 0) this.#options.onLost(lost)
    this.#trouble(error)
  }

  async rejoin(): Promise<void> {
    if (this.#stopping || this.#muted || this.#readers.length > 0) return
    // Everything in the new file came after this group had started.
    await this.#enter('earliest')
    this.#healthy()
  }

  handBack(tx: Transaction): void {
    const { connection } = this.#context
    for (const reader of this.#readers) reader.handBack(tx)
    const member = this.#member
    if (member === undefined) return
    connection.run('UPDATE due SET owner = NULL WHERE owner = ?', member)
    forget(connection, member)
  }

  end(): void {
    this.#loseAll()
  }

  /** Its number in the file; undefined while it is no member. */
  get #member(): number | undefined {
    return this.#readers[0]?.member
  }

  async #enter(from: SubscribeOptions['from']): Promise<void> {
    const { connection, lookout } = this.#context
    const joined = await this.#joinIfFree(from)
    if (joined.kind === 'taken') throw groupTaken(this.#options.group)
    const { member } = joined
    this.#readers = joined.topics.map((topic) => this.#newReader(topic, member))
    for (const reader of this.#readers) {
      if (this.#stopping) reader.stop()
      lookout.addReader(reader)
    }
    if (this.#limit === 0) await connection.write((tx) => pause(connection, member, true, tx))
  }

  /** A member that died a moment ago is still registered: that is no reason to refuse. */
  async #joinIfFree(from: SubscribeOptions['from']): Promise<Joined> {
    const first = await this.#join(from)
    if (first.kind === 'joined') return first
    await releaseDead(this.#context.connection, this.#context.ownerFile())
    return this.#join(from)
  }

  #join(from: SubscribeOptions['from']): Promise<Joined> {
    const { connection, topics, prefix, ownerFile } = this.#context
    const { group, exclusive } = this.#options
    const names = [...new Set(this.#options.topics)].map((name) => prefix + name)
    return connection.write((tx) => join(connection, topics, { topics: names, group, from, exclusive, file: ownerFile() }, tx))
  }

  #newReader(topic: Topic, member: number): Reader {
    const { connection, topics, clock, prefix } = this.#context
    return new Reader({
      connection,
      topics,
      clock,
      topic,
      member,
      group: this.#options.group,
      topicName: topic.name.slice(prefix.length),
      limit: this.#limit,
      onDeliveries: (deliveries) => this.#deliver(deliveries),
      onLost: this.#options.onLost,
      onTrouble: (error) => this.#trouble(error),
    })
  }

  #deliver(deliveries: readonly Delivery[]): void {
    this.#healthy()
    if (!this.#muted) this.#options.onDeliveries(deliveries)
  }

  async #drainAndLeave(): Promise<void> {
    const { connection } = this.#context
    for (const reader of this.#readers) {
      reader.stop()
      connection.hungry(reader)
    }
    const member = this.#member
    if (member === undefined || !connection.isOpen) return
    // Not left in the file, it is still muted; and whoever comes next finds out when this process ends.
    await connection.write((tx) => leave(connection, member, tx)).catch(() => {})
  }

  /** Nothing that is out can be settled any more. @returns what was out */
  #loseAll(): readonly Delivery[] {
    const lost = this.#readers.flatMap((reader) => reader.lose())
    for (const reader of this.#readers) this.#context.lookout.removeReader(reader)
    this.#readers = []
    return lost
  }

  #trouble(error: Error): void {
    if (this.#state === 'reconnecting' || this.#muted) return
    this.#state = 'reconnecting'
    this.#options.onState({ kind: 'reconnecting', error })
  }

  #healthy(): void {
    if (this.#state === 'consuming' || this.#muted) return
    this.#state = 'consuming'
    this.#options.onState({ kind: 'consuming' })
  }
}

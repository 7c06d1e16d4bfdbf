import { type Clock, sleep } from '../../clock.ts'
import type { Settlement, SubscribeOptions } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import type { Member } from '../readers.ts'
import { stuckRetries } from '../stuck-retries.ts'
import type { Address } from './address.ts'
import type { BrokerTime } from './broker-time.ts'
import type { Copies } from './copies.ts'
import { Mover } from './delays.ts'
import { expelled, taken, waits } from './failure.ts'
import type { Share } from './group/assigner.ts'
import { Commits } from './group/commits.ts'
import { MemberConnections } from './group/connections.ts'
import { Entry } from './group/entry.ts'
import { Fetcher } from './group/fetcher.ts'
import { Holdings } from './group/holdings.ts'
import type { Line } from './group/line.ts'
import { Membership } from './group/membership.ts'
import { Reader } from './group/reader.ts'
import { Standing } from './group/standing.ts'
import { MemberStates } from './group/states.ts'
import { Metadata } from './metadata.ts'
import type { Names } from './names.ts'
import type { Client, Fetched } from './protocol/client.ts'
import { topicsRead } from './registry.ts'
import { settle } from './settle.ts'
import type { Topology } from './topology.ts'

export interface SubscriptionContext {
  readonly address: Address
  readonly names: Names
  readonly clock: Clock
  readonly timeoutMs: number
  /** For questions and commits. */
  readonly asking: Client
  readonly topology: Topology
  readonly copies: Copies
  readonly time: BrokerTime
}

const LAST_COMMIT_WITHIN_MS = 1_500

/** @throws CorebusError GROUP_TAKEN, GROUP_FOREIGN, GROUP_DEAD, CONNECT */
export async function subscribe(options: SubscribeOptions, context: SubscriptionContext): Promise<Member> {
  const subscription = new KafkaSubscription(options, context)
  try {
    await subscription.begin()
    return subscription
  } catch (thrown) {
    await subscription.end()
    throw thrown
  }
}

/**
 * One member of a group, wired up. `Membership` asks the group which partitions are its own, `Holdings` takes and gives up those, `Fetcher` reads
 * them, `Reader` hands out what was read, `Mover` brings back what has waited for its retry, and `Commits` stores how far all of that is.
 */
class KafkaSubscription implements Member {
  readonly #options: SubscribeOptions
  readonly #context: SubscriptionContext
  readonly #closing = new AbortController()
  readonly #states: MemberStates
  readonly #connections: MemberConnections
  readonly #commits: Commits
  readonly #reader: Reader
  readonly #mover: Mover
  readonly #fetcher: Fetcher<Line>
  readonly #holdings: Holdings
  readonly #entry: Entry
  readonly #membership: Membership
  readonly #settling = new Set<Promise<void>>()
  #stopped = false
  #leaving: Promise<void> | undefined
  #ending: Promise<void> | undefined

  /** Each is made after those that it calls. What it has to say to those that come later goes through an `on…` and a method of this class. */
  constructor(options: SubscribeOptions, context: SubscriptionContext) {
    this.#options = options
    this.#context = context
    const { group, exclusive, from, limit, onDeliveries, onLost, onState } = options
    const { names, clock, asking, address, topology, copies, time } = context
    const topics = topicsRead(options, names)
    const metadata = new Metadata(asking, clock)
    const standing = new Standing({ clock, sessionMs: address.sessionMs })
    const closing = this.#closing.signal

    const states = new MemberStates({ onState, reads: () => this.#reader.reads, onAway: () => this.#letGoOfCatchingUp() })
    const connections = new MemberConnections({ ...context, onLost: (error) => states.trouble(error) })
    const onForbidden = (error: Error) => states.forbidden(error)
    const commits = new Commits({ client: asking, group: names.group(group), clock, standing, onForbidden })
    const reader = new Reader({ limit, clock, commits, standing, onDeliveries, onLost, onRoom: () => this.#fetcher.wake() })
    const onStuck = stuckRetries({ group, clock, onNotice: (notice) => states.notice(notice) })
    const mover = new Mover({ group, clock, time, commits, standing, copies, onStuck, onMoved: () => this.#moved() })
    const { polling, catchingUp, joining } = connections
    const fetcher = new Fetcher<Line>({
      polling,
      catchingUp,
      metadata,
      clock,
      states,
      sources: () => reader.readable(),
      onFetched: (line, fetched) => this.#fetched(line, fetched),
      onAnswer: () => this.#answered(),
      onOutOfRange: ({ topic }) => this.#outOfRange(topic),
      onGone: (topic) => this.#makeAgain(topic),
    })
    const holdings = new Holdings({
      topics,
      group,
      from,
      names,
      client: asking,
      clock,
      reader,
      commits,
      fetcher,
      topology,
      closing,
      onNotice: (notice) => states.notice(notice),
      onReleased: () => this.#released(),
    })
    this.#entry = new Entry({ ...context, topics: [...topics.keys()], group, client: asking, holdings, states, closing })
    this.#membership = new Membership({
      client: joining,
      asking,
      metadata,
      clock,
      exclusive,
      holdings,
      standing,
      states,
      group: names.group(group),
      sessionMs: address.sessionMs,
      topics: () => this.#wanted(),
      onShare: (share) => this.#takeShare(share),
      onExpelled: () => this.#expelled(),
      onBeat: () => this.#heardBeat(),
    })
    this.#states = states
    this.#connections = connections
    this.#commits = commits
    this.#reader = reader
    this.#mover = mover
    this.#fetcher = fetcher
    this.#holdings = holdings
  }

  /** Resolves when it is a member and reads, or is kept waiting by its group. @throws CorebusError GROUP_TAKEN, GROUP_DEAD, CONNECT */
  async begin(): Promise<void> {
    const { group, exclusive } = this.#options
    const { time, topology } = this.#context
    // Without delays there is nothing to measure, and to ask for the time is to write.
    const measures = this.#options.topics.some((topic) => !topology.keepsNothing(topic, group))
    if (exclusive) await this.#entry.refuseIfTaken()
    await Promise.all([this.#connections.open(this.#closing.signal), measures ? time.refresh() : undefined])
    this.#membership.start()
    this.#fetcher.start()
    await this.#entry.settled()
    this.#states.begin(this.#entry.hasShare ? { kind: 'consuming' } : { kind: 'reconnecting', error: waits(group) })
    for (const notice of time.off()) this.#states.notice(notice)
  }

  settle(settlements: readonly Settlement[]): Promise<void> {
    const work = this.#settleAndRelease(settlements)
    const tracked: Promise<void> = work.catch(() => {}).finally(() => this.#settling.delete(tracked))
    this.#settling.add(tracked)
    return work
  }

  limit(deliveries: number): void {
    this.#reader.limit(deliveries)
  }

  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#states.end()
    this.#reader.stop()
    this.#mover.stop()
    if (this.#holdings.isEmpty) void this.#leave()
    else this.#holdings.take({ partitions: {}, unfinished: false, taken: false })
  }

  end(): Promise<void> {
    this.#ending ??= this.#end()
    return this.#ending
  }

  async #end(): Promise<void> {
    const { clock } = this.#context
    await this.stop()
    await Promise.race([Promise.all(this.#settling), sleep(clock, LAST_COMMIT_WITHIN_MS)])
    for (const line of this.#reader.lines) line.handBack()
    await Promise.race([this.#commits.store(this.#reader.lines), sleep(clock, LAST_COMMIT_WITHIN_MS)])
    for (const line of this.#reader.lines) this.#reader.remove(line)
    this.#commits.forget()
    await this.#leave()
  }

  async #settleAndRelease(settlements: readonly Settlement[]): Promise<void> {
    const { group, exclusive, onLost } = this.#options
    try {
      const { copies, topology } = this.#context
      await settle(settlements, { group, copies, topology, commits: this.#commits, reader: this.#reader, onLost })
    } finally {
      this.#holdings.release()
    }
    // Whoever waits for the group may come as soon as the last message of a stopped member is settled.
    if (this.#stopped && exclusive && this.#reader.lines.every(({ out }) => out === 0)) await this.#leave()
  }

  /** When nothing is held any more. */
  #leave(): Promise<void> {
    this.#leaving ??= this.#leaveGroup()
    return this.#leaving
  }

  async #leaveGroup(): Promise<void> {
    this.#fetcher.stop()
    this.#mover.stop()
    await this.#membership.leave()
    this.#closing.abort()
    this.#commits.close()
    await this.#connections.close()
    await Promise.all([this.#membership.ended(), this.#fetcher.ended()])
  }

  /** What a member tells the group that it wants to read: nothing once it is stopped. */
  #wanted(): readonly string[] {
    const { group } = this.#options
    const { names, topology } = this.#context
    if (this.#stopped) return []
    return [...topicsRead(this.#options, names).keys(), ...topology.delaysOf(group).map((ms) => names.delay(group, ms))]
  }

  #takeShare(share: Share): void {
    // After the start nobody waits for the entry any more.
    if (share.taken && !this.#entry.hasShare && this.#states.hasBegun) this.#states.dead(taken(this.#options.group))
    this.#entry.give(share)
    this.#holdings.take(share)
  }

  #expelled(): void {
    this.#holdings.loseAll()
    this.#states.expelled(expelled(this.#options.group))
  }

  #heardBeat(): void {
    this.#states.heardBeat()
    this.#reader.pump()
  }

  /** What another member waits for has been given up: it gets it in the next round of the group. */
  #released(): void {
    if (this.#stopped && this.#holdings.isEmpty) void this.#leave()
    else this.#membership.rejoin()
  }

  #fetched(line: Line, { records, next }: Fetched): void {
    if (!line.gone) line.add(records, next)
  }

  #answered(): void {
    if (!this.#fetcher.isForbidden) this.#states.heardAnswer()
    for (const line of this.#reader.lines) if (line.kind === 'delay' && line.waiting > 0) this.#mover.take(line)
    this.#reader.regulate()
    this.#reader.pump()
  }

  #moved(): void {
    this.#holdings.release()
    this.#fetcher.wake()
  }

  #outOfRange(topic: string): void {
    const { group } = this.#options
    this.#readAnew(topic, new CorebusError('OFFSET_GONE', `what ${group} was to read next of ${topic} is not there any more`))
  }

  async #makeAgain(topic: string): Promise<void> {
    const gone = `topic ${topic} is gone from the broker; it is made again where that is allowed`
    this.#readAnew(topic, new CorebusError('TOPIC_GONE', gone))
    await this.#context.topology.make(topic).catch(() => {}) // asked for again by whoever reads it
  }

  #readAnew(topic: string, why: Error): void {
    this.#states.trouble(why)
    this.#holdings.reload(topic)
  }

  /** It is used now and then: found lost by itself after all is back, it would be a second outage. */
  #letGoOfCatchingUp(): void {
    this.#connections.catchingUp.letGo()
  }
}

import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { type Clock, monotonic, sleep } from '../../clock.ts'
import type { SubscribeOptions } from '../../driver.ts'
import { asError, CorebusError } from '../../errors.ts'
import { backOff } from '../back-off.ts'
import type { MembershipEvents, TopicMembership } from '../memberships.ts'
import type { Address } from './address.ts'
import { throwIfShut } from './entrance.ts'
import { isLost, isTemporary, membershipLost, refusalOf } from './failure.ts'
import { Holdings, type Lease, type Receipt } from './holdings.ts'
import type { Argument, Link, Reply } from './link.ts'
import { keysOf, type Names } from './names.ts'
import type { Nodes } from './nodes.ts'
import { Notices } from './notices.ts'
import { type Beat, Pulse } from './pulse.ts'
import { Reader } from './reader.ts'
import type { Registry } from './registry.ts'
import type { Retention } from './retention.ts'
import type { Script } from './script.ts'
import { OURS } from './scripts/common.ts'
import { handBack, join } from './scripts/member.ts'
import type { Topology } from './topology.ts'

export interface MembershipContext {
  readonly address: Address
  readonly nodes: Nodes
  readonly names: Names
  readonly topology: Topology
  readonly registry: Registry
  readonly retention: Retention
  readonly clock: Clock
  readonly timeoutMs: number
  /** The driver is being closed. */
  readonly closing: AbortSignal
  /** Who wants to know that a connection is gone. */
  readonly downs: Set<(link: Link, error: Error) => void>
  /** A member that is silent for so long is taken for dead. */
  readonly leaseMs: number
}

/** Beats of one topic between two looks at what may be deleted. */
const RETAIN_EVERY = 30
/** In a row, and the server counts more as ours than we know of. */
const UNKNOWN_BEATS = 2
const CLOSE_WITHIN_MS = 3_000

/** One member's part in one topic. */
export class Membership implements TopicMembership {
  readonly topic: string
  readonly group: string
  readonly stream: string
  /** It is of others, and not the topic's. */
  readonly isSource: boolean
  readonly isShared: boolean
  readonly keys: readonly string[]
  readonly holdings: Holdings
  readonly #options: SubscribeOptions
  readonly #context: MembershipContext
  readonly #events: MembershipEvents
  readonly #stopping = new AbortController()
  readonly #ended = new AbortController()
  readonly #waitMs = backOff()
  #lease: Lease | undefined
  #reader: Reader | undefined
  #pulse: Pulse | undefined
  #reached = true
  #rejoining: Promise<void> | undefined
  #leaving: Promise<void> | undefined
  #joinedBefore = false
  #unknown = 0
  readonly #notices: Notices
  readonly #down = (link: Link, error: Error) => {
    if (link === this.#context.nodes.of(this.keys[0] as string)) this.#unreached(error)
  }

  constructor(topic: string, options: SubscribeOptions, context: MembershipContext, events: MembershipEvents) {
    this.topic = topic
    this.group = options.group
    this.#options = options
    this.#context = context
    this.#events = events
    const { limit, onDeliveries, onLost, sources, shared = false } = options
    const source = sources?.get(topic)
    this.isSource = source !== undefined
    this.isShared = shared
    const stream = source && 'stream' in source ? source.stream : context.names.stream(topic)
    this.stream = stream
    this.keys = keysOf(context.names, stream, options.group)
    this.#notices = new Notices({ topic, group: options.group, stream, clock: context.clock, onNotice: events.onNotice })
    this.holdings = new Holdings({ topic, stream, limit, onDeliveries, onLost })
  }

  get lease(): Lease | undefined {
    return this.#lease
  }

  get isOpen(): boolean {
    return this.#reached && this.#reader?.isOpen === true
  }

  /** @throws GROUP_TAKEN, GROUP_FOREIGN, SOURCE, TOPOLOGY, and what Redis says. */
  async begin(): Promise<void> {
    const { nodes, address, closing, downs, timeoutMs } = this.#context
    downs.add(this.#down)
    try {
      const lease = await nodes.insist(() => this.#join(), closing)
      const reader = this.#open(lease)
      await this.#pulse?.beat()
      if (!(await reader.opened(timeoutMs, closing)))
        throw new CorebusError('CONNECTION_LOST', `no connection to Redis at ${address.where} within ${timeoutMs} ms`)
    } catch (thrown) {
      throw refusalOf(thrown, address.where)
    }
  }

  /** No new delivery reaches the core. What came in between goes back at once. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.holdings.stop()
    await this.#reader?.stop()
    const hidden = this.holdings.takeHidden()
    if (hidden.length > 0) await this.#giveBack(hidden)
    await this.settled()
  }

  /** Whoever waits for the group may come as soon as the last message of a stopped member is settled. */
  async settled(): Promise<void> {
    if (!this.#stopping.signal.aborted || this.holdings.size > 0) return
    this.#leaving ??= this.#leave()
    await this.#leaving
  }

  limit(deliveries: number): void {
    this.holdings.limit(deliveries)
  }

  /** A settlement that is on its way to a server which is away gives up when this has ended, so it is awaited last. */
  async end(settling: () => Promise<unknown>): Promise<void> {
    this.#stopping.abort()
    this.holdings.stop()
    await this.#rejoining
    await this.#reader?.stop()
    this.#leaving ??= this.#leave()
    await this.#leaving
    this.holdings.lose({ said: false })
    this.#ended.abort()
    await this.#reader?.close()
    await settling()
  }

  /** Runs one of the scripts of a member until it is done. Undefined when its lease is over. */
  async run(
    script: Script,
    lease: Lease,
    args: readonly (string | Buffer)[],
    { keys = this.keys, bytes = false }: { readonly keys?: readonly string[]; readonly bytes?: boolean } = {},
  ): Promise<Reply | undefined> {
    const { nodes } = this.#context
    const reply = await nodes.insist(() => nodes.run(script, keys, [this.group, lease.name, ...args], bytes), this.#ended.signal)
    if (Array.isArray(reply) || String(reply) !== 'lost') return reply
    this.lost(lease, membershipLost(this.group))
    return undefined
  }

  /** Runs a command that writes until it is done: twice where its answer was lost. */
  write(key: string, command: readonly Argument[]): Promise<Reply> {
    return this.#context.nodes.insist(() => this.#context.nodes.send(key, command), this.#ended.signal)
  }

  /** There is a retry that is due then. */
  dueIn(ms: number): void {
    this.#pulse?.within(ms)
  }

  /** Everything held is somebody else's; joins again. */
  lost(lease: Lease, error: Error): void {
    if (lease !== this.#lease) return
    this.#lease = undefined
    this.#pulse?.stop()
    const old = this.#reader
    this.#reader = undefined
    this.holdings.lose({ said: true })
    if (this.#stopping.signal.aborted) {
      void old?.close() // never rejects
      return
    }
    this.#events.onTrouble(error)
    this.#rejoining = this.#rejoin(old) // never rejects
  }

  async #rejoin(old: Reader | undefined): Promise<void> {
    const { clock, topology } = this.#context
    await old?.close()
    for (let n = 1; !this.#stopping.signal.aborted; n++) {
      try {
        this.#open(await this.#join())
        await topology.remake(this.topic, this.group)
        return
      } catch (thrown) {
        const error = asError(thrown)
        if (!isTemporary(error)) this.#events.onKeptAway(refusalOf(error, this.#context.address.where))
      }
      await sleep(clock, this.#waitMs(n), this.#stopping.signal)
    }
  }

  async #join(): Promise<Lease> {
    const { nodes, clock, leaseMs, topology } = this.#context
    const { exclusive, from } = this.#options
    const lease: Lease = { name: `${OURS}${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`, renewedAt: monotonic(clock) }
    // Made anew because all of it was lost: whatever is there came afterwards.
    const start = from === 'earliest' || this.#joinedBefore ? '0' : '$'
    const flags = [exclusive, this.isShared, !this.isSource && topology.mayMake].map((is) => (is ? '1' : '0'))
    const args = [this.group, lease.name, String(leaseMs), start, ...flags]
    throwIfShut(await nodes.run(join, this.keys, args), this, topology.mayMake)
    this.#joinedBefore = true
    return lease
  }

  #trouble(error: Error): void {
    if (this.#stopping.signal.aborted) return
    this.#events.onTrouble(error)
    if (!isLost(error)) this.#events.onKeptAway(error)
  }

  /** Back is who has been heard on both connections since. */
  #unreached(error: Error): void {
    this.#reached = false
    this.#trouble(error)
    this.#reader?.renewConnection(error)
    this.#pulse?.within(0)
  }

  #backIfOpen(): void {
    if (!this.#reached) this.#pulse?.within(0)
    else if (this.isOpen) this.#events.onBack()
  }

  #open(lease: Lease): Reader {
    const { address, nodes, clock, leaseMs } = this.#context
    const shared = { group: this.group, keys: this.keys, nodes, clock, leaseMs }
    const pulse = new Pulse(lease, {
      ...shared,
      onLost: (error) => this.lost(lease, error),
      onTrouble: (error) => this.#trouble(refusalOf(error, address.where)),
      onBeat: (beat) => this.#heard(beat),
    })
    const reader = new Reader(lease, {
      ...shared,
      address,
      holdings: this.holdings,
      renew: () => pulse.beat(),
      onUp: () => this.#backIfOpen(),
      onDown: (error) => this.#trouble(error),
      onGone: (error) => this.lost(lease, error),
      onDeleted: (count) => this.#notices.messagesDeleted(count),
    })
    this.#lease = lease
    this.#pulse = pulse
    this.#reader = reader
    pulse.within(0)
    return reader
  }

  async #heard(beat: Beat): Promise<void> {
    const { nobodys, mine, count } = beat
    this.#notices.saw(beat)
    if (nobodys > 0 && !this.#stopping.signal.aborted) this.#reader?.claimSoon()
    this.#unknown = mine > this.holdings.size ? this.#unknown + 1 : 0
    if (this.#unknown > UNKNOWN_BEATS) {
      this.#unknown = 0
      this.#reader?.recoverSoon()
    }
    this.#reached = true
    // Also after a beat that was refused: a server that was full answers again.
    this.#backIfOpen()
    if (count % RETAIN_EVERY === 0) await this.#context.retention.look(this.topic, this.stream)
  }

  async #giveBack(receipts: readonly Receipt[]): Promise<void> {
    const lease = this.#lease
    if (!lease) return
    await this.#briefly(handBack, lease, ['0', ...receipts.flatMap(({ which, entry }) => [String(which), entry.id])])
  }

  async #leave(): Promise<void> {
    if (this.#lease) await this.#briefly(handBack, this.#lease, ['1'])
    this.#lease = undefined
    this.#pulse?.stop()
    this.#context.downs.delete(this.#down)
  }

  /** A server that does not answer is not waited for: it notices that we are silent. */
  async #briefly(script: Script, lease: Lease, args: readonly string[]): Promise<void> {
    const { nodes, clock } = this.#context
    const work = nodes.run(script, this.keys, [this.group, lease.name, ...args]).catch(() => {})
    await Promise.race([work, sleep(clock, CLOSE_WITHIN_MS)])
  }
}

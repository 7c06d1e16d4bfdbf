import { Hold, held } from '../../clock.ts'
import type { ConnectionState, Driver, DriverOptions, Message, SubscribeOptions } from '../../driver.ts'
import { asError, CorebusError, PublishError, type PublishFailure } from '../../errors.ts'
import { addressOf } from './address.ts'
import { admin } from './admin.ts'
import { letters } from './dead-letters.ts'
import { closed, isUnreachable, refusalOf } from './failure.ts'
import type { Link } from './link.ts'
import type { MembershipContext } from './membership.ts'
import { namesWith } from './names.ts'
import { Nodes } from './nodes.ts'
import { Publisher } from './publisher.ts'
import { Retention } from './retention.ts'
import { type Member, subscribe } from './subscription.ts'
import { openTail, type Tail } from './tail.ts'
import { Topology } from './topology.ts'

/** What tests change; users have no reason to. */
export interface Tuning {
  /** Most messages kept of a topic that no group reads. */
  readonly unclaimedMessages: number
  readonly unclaimedKeepMs: number
  /** What every group has settled stays at least this long. */
  readonly keepMs: number
  /** A member that is silent for so long is taken for dead. */
  readonly leaseMs: number
}

const DAY_MS = 24 * 60 * 60_000
const DEFAULTS: Tuning = { unclaimedMessages: 1_000_000, unclaimedKeepMs: 7 * DAY_MS, keepMs: DAY_MS, leaseMs: 10_000 }
/** Each message has its own answer: the smaller, the sooner its publishers go on while others wait; the larger, the less a message costs. */
const PUBLISHED_AT_ONCE = 32
const FLUSH_WITHIN_MS = 3_000

/** Redis 7.0 and later, one server or a cluster. `durability` has nothing to apply to: when a confirm means that it is on the disk, the server says. */
export function redisDriver(options: DriverOptions, tuning: Partial<Tuning> = {}): Driver {
  const { clock, service, prefix, publishTimeoutMs: timeoutMs } = options
  const { leaseMs, ...kept } = { ...DEFAULTS, ...tuning }
  const address = addressOf(options)
  const { where } = address
  const names = namesWith(prefix)
  const closing = new AbortController()
  const publishers = new Map<string, Publisher>()
  const members = new Set<Member>()
  const tails = new Set<Tail>()
  const starting = new Set<Promise<unknown>>()
  const downs: MembershipContext['downs'] = new Set()
  const hold = new Hold()
  const troubles = new Map<Link, Error>()
  let onState: (state: ConnectionState) => void = () => {}
  let state: ConnectionState['kind'] | 'new' = 'new'
  let said: string | undefined
  let blocked: Error | undefined
  let ended: Promise<void> | undefined

  const nodes: Nodes = new Nodes({
    ...{ address, clock, timeoutMs },
    onUp() {
      for (const link of troubles.keys()) if (link.isUp || !nodes.links.includes(link)) troubles.delete(link)
      topology.forget()
      for (const publisher of publishers.values()) publisher.pump()
      tell()
    },
    onDown(link, error) {
      troubles.set(link, error)
      blocked = undefined
      for (const down of downs) down(link, error)
      tell()
    },
  })
  const topology: Topology = new Topology({ names, service, nodes, where, signal: closing.signal })
  const retention = new Retention({ nodes, names, clock, ...kept })
  const dead = letters({ names, nodes, topology, clock, where, signal: closing.signal })
  const context: MembershipContext = {
    ...{ address, nodes, names, topology, retention, clock, timeoutMs, downs, leaseMs },
    closing: closing.signal,
  }

  /** Said when it changes; what it cannot come back from by itself is news too. */
  function tell(): void {
    const trouble = [...troubles.values()].findLast(isUnreachable) ?? troubles.values().next().value
    const now: ConnectionState = trouble
      ? { kind: 'reconnecting', error: trouble }
      : blocked
        ? { kind: 'blocked', error: blocked }
        : { kind: 'connected' }
    const unreachable = trouble && isUnreachable(trouble) ? trouble.message : undefined
    const news = state !== now.kind || (unreachable !== undefined && unreachable !== said)
    if (!news || state === 'new' || closing.signal.aborted) return
    state = now.kind
    said = unreachable
    onState(now)
  }

  function publisherOf(topic: string): Publisher {
    const known = publishers.get(topic)
    if (known) return known
    const made = new Publisher({
      ...{ nodes, clock, timeoutMs, stream: names.stream(topic) },
      onBlocked(error) {
        blocked = error
        tell()
      },
    })
    publishers.set(topic, made)
    return made
  }

  /** @throws what keeps the topic from taking messages. */
  async function mayTake(topic: string): Promise<void> {
    await topology.topic(topic)
    if (retention.isFull(topic, publisherOf(topic).published))
      throw new CorebusError(
        'TOPIC_FULL',
        `nobody reads ${topic}, and ${kept.unclaimedMessages} messages wait there: start its consumer, or stop publishing`,
      )
  }

  async function publish(messages: readonly Message[]): Promise<void> {
    const failures: PublishFailure[] = []
    const refused = new Map<string, Error>()
    let last: string | undefined
    for (const { topic } of messages) {
      if (topic === last) continue
      last = topic
      // Without a wait where there is nothing to wait for: calls that overlap keep their order.
      const waits = topology.topic(topic) !== undefined || retention.isFull(topic, publisherOf(topic).published)
      if (waits) await mayTake(topic).catch((error: unknown) => refused.set(topic, refusalOf(error, where)))
    }
    await new Promise<void>((resolve) => {
      let left = messages.length
      for (const message of messages) {
        const end = (failure: { permanent: boolean; cause: Error } | undefined) => {
          if (failure) failures.push({ id: message.id, ...failure })
          if (--left === 0) resolve()
        }
        const cause = refused.get(message.topic)
        if (cause) end({ permanent: false, cause })
        else publisherOf(message.topic).publish(message, end)
      }
    })
    if (failures.length > 0) throw new PublishError(failures)
  }

  async function track<T>(work: Promise<T>): Promise<T> {
    starting.add(work)
    try {
      return await work
    } finally {
      starting.delete(work)
    }
  }

  async function close(): Promise<void> {
    closing.abort()
    await Promise.allSettled(starting)
    let cancel = () => {}
    const late = new Promise<void>((resolve) => {
      cancel = clock.after(FLUSH_WITHIN_MS, resolve)
    })
    const flushed = nodes.links.some(({ isUp }) => isUp) ? Promise.all([...publishers.values()].map((one) => one.flush())) : undefined
    await Promise.race([flushed, late])
    cancel()
    await Promise.all([...members].map((member) => member.end()))
    await Promise.all([...tails].map((tail) => tail.stop()))
    for (const publisher of publishers.values()) publisher.close(closed())
    await nodes.close()
    hold.end()
  }

  /** The process lives while one of these does, also during an outage. */
  const alive = new Set<Member | Tail>()
  function live(one: Member | Tail, on: boolean): void {
    if (on) alive.add(one)
    else alive.delete(one)
    if (alive.size > 0) hold.on()
    else hold.off()
  }

  return {
    name: 'redis',
    capabilities: { durable: true, orderedAcrossProcesses: false, keepsHistory: true, longestHandlingMs: Number.POSITIVE_INFINITY },
    admin: admin({ names, nodes, topology, letters: dead, where, signal: closing.signal }),
    pipelinedBatch: PUBLISHED_AT_ONCE,
    async connect(listener) {
      if (closing.signal.aborted) throw closed()
      onState = listener
      try {
        await nodes.open(timeoutMs)
      } catch (thrown) {
        // Nobody closes a driver that never connected.
        await nodes.close()
        throw refusalOf(asError(thrown), where)
      }
      state = 'connected'
      onState({ kind: 'connected' })
    },
    ensure: (wanted, mode) => topology.ensure(wanted, mode),
    async publish(messages) {
      if (messages.length === 0) return
      if (!closing.signal.aborted) return publish(messages)
      const cause = closed()
      throw new PublishError(
        messages.map(({ id }) => ({ id, permanent: false, cause })),
        cause.code,
      )
    },
    async subscribe(wanted: SubscribeOptions) {
      if (closing.signal.aborted) throw closed()
      const member = await track(
        subscribe(wanted, context).then((made) => {
          members.add(made)
          return made
        }),
      )
      live(member, true)
      return {
        settle: member.settle,
        limit: member.limit,
        stop() {
          live(member, false)
          return member.stop()
        },
      }
    },
    async tail({ topic, from, onMessages }) {
      if (closing.signal.aborted) throw closed()
      const stream = names.stream(topic)
      const opening = openTail({ topic, stream, from, onMessages, address, nodes, clock, signal: closing.signal })
      const tail = await track(opening)
      tails.add(tail)
      live(tail, true)
      return {
        async stop() {
          live(tail, false)
          tails.delete(tail)
          await tail.stop()
        },
      }
    },
    close() {
      ended ??= held(close)
      return ended
    },
  }
}

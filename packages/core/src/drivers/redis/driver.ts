import { held } from '../../clock.ts'
import type { Driver, DriverOptions, Message, SubscribeOptions } from '../../driver.ts'
import { asError, CorebusError, noneTaken, PublishError, type PublishFailure } from '../../errors.ts'
import { Readers } from '../readers.ts'
import { ConnectionStates } from '../states.ts'
import { addressOf } from './address.ts'
import { admin } from './admin.ts'
import { letters } from './dead-letters.ts'
import { closed, isForGood, refusalOf } from './failure.ts'
import type { Link } from './link.ts'
import { members } from './members.ts'
import type { MembershipContext } from './membership.ts'
import { namesWith } from './names.ts'
import { Nodes } from './nodes.ts'
import { Publisher } from './publisher.ts'
import { Retention } from './retention.ts'
import { subscribe } from './subscription.ts'
import { openTail } from './tail.ts'
import { Topology } from './topology.ts'

export { loadLibrary } from './library.ts'

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
  const readers = new Readers()
  const states = new ConnectionStates<Link>()
  const downs: MembershipContext['downs'] = new Set()
  let ended: Promise<void> | undefined

  const nodes: Nodes = new Nodes({
    ...{ address, clock, timeoutMs },
    onUp() {
      topology.forget()
      for (const publisher of publishers.values()) publisher.pump()
      states.back((link) => link.isUp || !nodes.links.includes(link))
    },
    onDown(link, error) {
      for (const down of downs) down(link, error)
      states.forgetBlock()
      states.lost(link, error)
    },
  })
  const topology: Topology = new Topology({ names, service, nodes, where, signal: closing.signal })
  const retention = new Retention({ nodes, names, clock, ...kept })
  const dead = letters({ names, nodes, topology, clock, where, signal: closing.signal })
  const context: MembershipContext = {
    ...{ address, nodes, names, topology, retention, clock, timeoutMs, downs, leaseMs },
    closing: closing.signal,
  }

  function publisherOf(topic: string): Publisher {
    const known = publishers.get(topic)
    if (known) return known
    const made = new Publisher({
      ...{ nodes, clock, timeoutMs, stream: names.stream(topic), declared: names.declared(topic) },
      onGone: () => topology.forget(topic),
      onBlocked: (error) => states.block(error),
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
    const refused = new Map<string, CorebusError>()
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
        if (cause) end({ permanent: isForGood(cause), cause })
        else publisherOf(message.topic).publish(message, end)
      }
    })
    if (failures.length > 0) throw new PublishError(failures)
  }

  async function close(): Promise<void> {
    closing.abort()
    states.end()
    await readers.opened()
    let cancel = () => {}
    const late = new Promise<void>((resolve) => {
      cancel = clock.after(FLUSH_WITHIN_MS, resolve)
    })
    const flushed = nodes.links.some(({ isUp }) => isUp) ? Promise.all([...publishers.values()].map((one) => one.flush())) : undefined
    await Promise.race([flushed, late])
    cancel()
    await readers.end()
    for (const publisher of publishers.values()) publisher.close(closed())
    await nodes.close()
    readers.letGo()
  }

  return {
    name: 'redis',
    capabilities: {
      durable: true,
      orderedAcrossProcesses: false,
      keepsHistory: true,
      longestHandlingMs: Number.POSITIVE_INFINITY,
      members: true,
      unclaimed: { messages: kept.unclaimedMessages, keepMs: kept.unclaimedKeepMs },
      unsettled: true,
    },
    admin: admin({ names, nodes, topology, letters: dead, where, signal: closing.signal }),
    members: members({ names, nodes, where, signal: closing.signal }),
    pipelinedBatch: PUBLISHED_AT_ONCE,
    async connect(listener) {
      if (closing.signal.aborted) throw closed()
      try {
        await nodes.open(timeoutMs)
      } catch (thrown) {
        // Nobody closes a driver that never connected.
        await nodes.close()
        throw refusalOf(asError(thrown), where)
      }
      states.begin(listener)
    },
    ensure: (wanted, mode) => topology.ensure(wanted, mode),
    async publish(messages) {
      if (messages.length === 0) return
      if (!closing.signal.aborted) return publish(messages)
      throw noneTaken(messages, closed())
    },
    async subscribe(wanted: SubscribeOptions) {
      if (closing.signal.aborted) throw closed()
      return readers.subscription(subscribe(wanted, context))
    },
    async tail({ topic, from, onMessages }) {
      if (closing.signal.aborted) throw closed()
      const stream = names.stream(topic)
      return readers.tail(openTail({ topic, stream, from, onMessages, address, nodes, clock, signal: closing.signal }))
    },
    close() {
      ended ??= held(close)
      return ended
    },
  }
}

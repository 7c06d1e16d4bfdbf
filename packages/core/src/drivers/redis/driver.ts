import { sleep } from '../../clock.ts'
import type { Driver, DriverOptions } from '../../driver.ts'
import { asError } from '../../errors.ts'
import { type Open, withLifecycle } from '../lifecycle.ts'
import { ConnectionStates } from '../states.ts'
import { addressOf } from './address.ts'
import { admin } from './admin.ts'
import { Letters } from './dead-letters.ts'
import { closed, refusalOf } from './failure.ts'
import type { Link } from './link.ts'
import { members } from './members.ts'
import type { MembershipContext } from './membership.ts'
import { namesWith } from './names.ts'
import { Nodes } from './nodes.ts'
import { Publishers } from './publishers.ts'
import { rawOf } from './raw.ts'
import { Registry } from './registry.ts'
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
  const names = namesWith(prefix, options.names)
  const closing = new AbortController()
  const { signal } = closing
  const states = new ConnectionStates<Link>()
  signal.addEventListener('abort', () => states.end(), { once: true })
  const downs: MembershipContext['downs'] = new Set()

  const nodes: Nodes = new Nodes({
    address,
    clock,
    timeoutMs,
    onUp() {
      topology.forget()
      publishers.pump()
      states.back((link) => link.isUp || !nodes.links.includes(link))
    },
    onDown(link, error) {
      for (const down of downs) down(link, error)
      states.forgetBlock()
      states.lost(link, error)
    },
  })
  const registry = new Registry({ names, nodes, where, signal })
  const topology: Topology = new Topology({ names, service, nodes, registry, where, signal })
  const retention = new Retention({ nodes, names, clock, ...kept })
  const onBlocked = (error: Error | undefined) => states.block(error)
  const publishers: Publishers = new Publishers({ nodes, names, clock, where, topology, retention, onBlocked })
  const letters = new Letters({ names, nodes, registry, clock, where, signal })
  const context = { address, nodes, names, topology, registry, retention, clock, timeoutMs, downs, leaseMs, closing: signal }

  const open: Open = {
    name: 'redis',
    capabilities: {
      durable: true,
      orderedAcrossProcesses: false,
      keepsHistory: true,
      longestHandlingMs: Number.POSITIVE_INFINITY,
      members: true,
      unclaimed: { messages: kept.unclaimedMessages, keepMs: kept.unclaimedKeepMs },
      unsettled: true,
      sources: ['stream'],
      letterTargets: ['stream'],
    },
    admin: admin({ names, nodes, registry, letters, where, signal }),
    members: members({ names, nodes, where, signal }),
    pipelinedBatch: PUBLISHED_AT_ONCE,
    async connect(listener) {
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
    publish: (messages, call) => publishers.publish(messages, call),
    trouble: (topic) => publishers.trouble(topic),
    subscribe: (wanted) => subscribe(wanted, context),
    raw: ({ receipt }) => rawOf(receipt),
    async tail({ topic, from, onMessages }) {
      const stream = await registry.readAs(topic)
      return openTail({ topic, stream, from, onMessages, address, nodes, clock, signal })
    },
    async flush() {
      if (!nodes.links.some(({ isUp }) => isUp)) return
      const flushed = new AbortController()
      await Promise.race([publishers.flush(), sleep(clock, FLUSH_WITHIN_MS, flushed.signal)])
      flushed.abort()
    },
    async disconnect() {
      publishers.close(closed())
      await nodes.close()
    },
  }
  return withLifecycle(open, { clock, publishTimeoutMs: timeoutMs, closing, closed })
}

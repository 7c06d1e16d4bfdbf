import type { Clock } from '../../clock.ts'
import type { Driver, DriverOptions, Message } from '../../driver.ts'
import { asError, CorebusError } from '../../errors.ts'
import { type Open, withLifecycle } from '../lifecycle.ts'
import type { PublishCall } from '../pending.ts'
import { ConnectionStates } from '../states.ts'
import { type Address, addressOf } from './address.ts'
import { admin } from './admin.ts'
import { bindingsOf } from './bindings.ts'
import { closed, Link } from './connection.ts'
import { Letters } from './dead-letters.ts'
import { Declarer, registryStream } from './declare.ts'
import { failureOf } from './failure.ts'
import { members } from './members.ts'
import type { MembershipContext } from './membership.ts'
import { type Names, namesWith } from './names.ts'
import { Publisher } from './publisher.ts'
import { rawOf } from './raw.ts'
import { Receipt } from './receipt.ts'
import { Registry } from './registry.ts'
import { subscribe } from './subscription.ts'
import { openTail, type TailOptions } from './tail.ts'
import type { Target } from './target.ts'
import { createTargets, type Targets } from './targets.ts'
import { Topology } from './topology.ts'
import { toAmqp } from './wire.ts'

export { loadLibrary } from './library.ts'

/** What tests change; users have no reason to. */
export interface Tuning {
  /** Most messages kept of a topic that no group reads. */
  readonly unclaimedMessages: number
  readonly unclaimedKeepMs: number
}

const DAY_MS = 24 * 60 * 60_000
const DEFAULTS: Tuning = { unclaimedMessages: 1_000_000, unclaimedKeepMs: 7 * DAY_MS }
/** The broker takes back a delivery, and closes its channel, after 30 minutes (`consumer_timeout`). */
const LONGEST_HANDLING_MS = 25 * 60_000
/** Each message has its own confirm: the smaller, the sooner its publishers go on while others wait; the larger, the less a message costs. */
const PUBLISHED_AT_ONCE = 16

/** RabbitMQ 3.10 and later, on quorum queues. `durability` has nothing to apply to: a confirm means that it is stored. */
export function rabbitmqDriver(options: DriverOptions, tuning: Partial<Tuning> = {}): Driver {
  const { clock, service, prefix, publishTimeoutMs: timeoutMs, topics = {} } = options
  const { unclaimedMessages: maxMessages, unclaimedKeepMs: keepMs } = { ...DEFAULTS, ...tuning }
  const address = addressOf(options)
  const names = namesWith(prefix, options.names)
  const closing = new AbortController()
  const { signal } = closing
  const states = new ConnectionStates<Link>()
  signal.addEventListener('abort', () => states.end(), { once: true })

  const { publishing, consuming } = createLinks({ address, clock, states, publisher: () => publisher })
  const publisher = new Publisher({ clock, timeoutMs })
  const declarer = new Declarer(consuming, { clock, timeoutMs, signal })
  const registry = createRegistry({ names, declarer, publisher, clock })
  const said = new Map(Object.entries(topics.topics ?? {}))
  const keepsUnclaimed = (topic: string) => said.get(topic)?.unclaimed !== false
  const unclaimed = (topic: string) => keepsUnclaimed(topic) && { keepMs, maxMessages }
  const topology = new Topology({ names, service, unclaimed, declarer, registry })
  const targets = createTargets({ names, topology, declarer, maxUnclaimed: maxMessages, keepsUnclaimed })
  const entries = () => topology.entries()
  const letters = new Letters({ names, declarer, publisher, targets, clock, entries })
  const notes = members({ consuming, publishing, names, clock, timeoutMs, signal })
  const context: MembershipContext = {
    link: consuming,
    names,
    topology,
    targets,
    publisher,
    declarer,
    clock,
    timeoutMs,
    closing: signal,
    givenUp: (topic, group) => letters.givenUp(topic, group),
    membersKnown: (group) => notes.known(group),
    owned: new Set(),
  }

  const open: Open = {
    name: 'rabbitmq',
    capabilities: {
      durable: true,
      orderedAcrossProcesses: false,
      keepsHistory: false,
      longestHandlingMs: LONGEST_HANDLING_MS,
      members: true,
      unclaimed: { messages: maxMessages, keepMs },
      countsOutages: true,
      sources: ['exchange', 'queue'],
      letterTargets: ['exchange'],
      targets: true,
    },
    admin: admin({ names, declarer, publisher, targets, clock, letters, entries }),
    members: notes,
    pipelinedBatch: PUBLISHED_AT_ONCE,
    async connect(listener) {
      try {
        await Promise.all([publishing.open(timeoutMs), consuming.open(timeoutMs)])
      } catch (error) {
        // One of them may be there: nobody closes a driver that never connected.
        await Promise.all([publishing.close(), consuming.close()])
        throw error
      }
      states.begin(listener)
    },
    ensure: (wanted, mode) => topology.ensure(wanted, mode),
    publish: (messages, call) => publishAll(messages, { topology, targets, publisher, clock, call }),
    trouble: (topic, theirs) => publisher.trouble(theirs ? targets.theirs(theirs) : targets.topic(topic)),
    subscribe: (wanted) => subscribe(wanted, context),
    raw({ receipt, original }) {
      if (!(receipt instanceof Receipt)) throw new TypeError('this delivery is of another driver')
      return rawOf(receipt.raw, original === true, receipt.reader.home)
    },
    tail: async ({ topic, onMessages }) =>
      openTail({ topic, onMessages, bindings: await watched(topic, topology, names), link: consuming, clock, timeoutMs }),
    flush: async () => (publishing.model ? publisher.flush() : undefined),
    async disconnect() {
      publisher.close(closed())
      await Promise.all([publishing.close(), consuming.close()])
    },
  }
  return withLifecycle(open, { clock, publishTimeoutMs: timeoutMs, closing, closed })
}

/** What a watcher of a topic is bound to. @throws CorebusError SOURCE where it comes from a queue of others */
async function watched(topic: string, topology: Topology, names: Names): Promise<TailOptions['bindings']> {
  const entries = await topology.entries()
  const isTopic = entries.some((entry) => entry.kind === 'topic' && entry.topic === topic)
  const latest = entries.findLast((entry) => entry.kind === 'group' && entry.topic === topic)
  const source = !isTopic && latest?.kind === 'group' ? latest.source : undefined
  if (source && 'queue' in source)
    throw new CorebusError(
      'SOURCE',
      `topic ${topic} is read from the queue ${source.queue}, which cannot be watched without taking from it`,
    )
  if (source) return bindingsOf({ topic, group: '', source })
  await topology.topic(topic)
  return [{ exchange: names.topic(topic), key: '' }]
}

interface LinksOptions {
  readonly address: Address
  readonly clock: Clock
  readonly states: ConnectionStates<Link>
  readonly publisher: () => Publisher
}

/** Under an alarm the broker reads nothing from a connection that has published, not even acknowledgements: so those have another. */
function createLinks({ address, clock, states, publisher }: LinksOptions): { readonly publishing: Link; readonly consuming: Link } {
  const onBlocked = (error: Error | undefined) => {
    publisher().block(error)
    states.block(error)
  }
  const publishing: Link = new Link({
    address,
    clock,
    onBlocked,
    onUp(model) {
      publisher().up(model)
      states.back((link) => link === publishing)
    },
    onDown(error) {
      publisher().down(error)
      states.forgetBlock()
      states.lost(publishing, error)
    },
  })
  const consuming: Link = new Link({
    address,
    clock,
    onBlocked,
    onUp: () => states.back((link) => link === consuming),
    onDown: (error) => states.lost(consuming, error),
  })
  return { publishing, consuming }
}

interface RegistryParts {
  readonly names: Names
  readonly declarer: Declarer
  readonly publisher: Publisher
  readonly clock: Clock
}

function createRegistry({ names, declarer, publisher, clock }: RegistryParts): Registry {
  const queue = names.registry
  const log: Target = {
    exchange: '',
    routingKey: queue,
    remake: () => declarer.run(async (channel) => void (await channel.assertQueue(queue, registryStream))),
    whyRefused: async () => new Error(`RabbitMQ refused what was published to ${queue}`),
  }
  const append = (body: Buffer) => publisher.store(log, { body, properties: { mandatory: true, contentType: 'application/json' } })
  return new Registry({ declarer, queue, clock, append })
}

interface PublishTo {
  readonly topology: Topology
  readonly targets: Targets
  readonly publisher: Publisher
  readonly clock: Clock
  readonly call: PublishCall
}

/** Never rejects: what cannot be published is told to the call. */
async function publishAll(messages: readonly Message[], { topology, targets, publisher, clock, call }: PublishTo): Promise<void> {
  const refused = new Map<string, Error>()
  let last: string | undefined
  for (const { topic, target } of messages) {
    // What goes to others needs nothing of ours.
    if (target) continue
    const made = topic === last ? undefined : topology.topic(topic)
    last = topic
    if (made) await made.then(() => call.throwIfLate()).catch((error: unknown) => refused.set(topic, asError(error)))
  }
  let target: Target | undefined
  for (const message of messages) {
    try {
      const cause = message.target ? undefined : refused.get(message.topic)
      if (cause) throw cause
      if (!message.target && target?.routingKey !== message.topic) target = targets.topic(message.topic)
      const to = message.target ? targets.theirs(message.target) : target
      if (to) publisher.publish(to, toAmqp(message, clock.now()), call)
    } catch (thrown) {
      call.ended(message, failureOf(thrown))
    }
  }
}

import { runtimeOf } from '../../clock.ts'
import type { Capabilities, ConnectionState, Driver, DriverOptions, Message } from '../../driver.ts'
import { CorebusError, noneTaken, PublishError, type PublishFailure } from '../../errors.ts'
import { resolvePlace } from '../names.ts'
import { memoryAdmin } from './admin.ts'
import { type Broker, brokerNamed } from './broker.ts'
import { members } from './members.ts'
import { type Joining, join, type MemorySubscription } from './subscription.ts'
import { type Topic, UNCLAIMED_MESSAGES, UNCLAIMED_MS } from './topic.ts'
import { ensureTopology } from './topology.ts'

const CAPABILITIES: Capabilities = {
  durable: false,
  orderedAcrossProcesses: true,
  keepsHistory: false,
  longestHandlingMs: Number.POSITIVE_INFINITY,
  members: true,
  unclaimed: { messages: UNCLAIMED_MESSAGES, keepMs: UNCLAIMED_MS },
  unsettled: true,
}

/**
 * A broker inside the process: `memory://name` (default `default`), shared by every driver of that name. For tests, examples and events that
 * stay in one process; what it holds ends with the process. `tls`, `auth` and `durability` have nothing to apply to here.
 *
 * A group that has started keeps what comes while nobody is there, without a bound; what all groups have settled is gone at once.
 * A message is kept and handed out as it is, to every group the same object: who changes a body's bytes after publishing changes what
 * handlers see.
 */
export function memoryDriver(options: DriverOptions): Driver {
  return memoryDriverOn(brokerNamed(nameOf(options.url)), options)
}

/** The same on a broker that nobody else can name, and that ends with those who have it. */
export function memoryDriverOn(broker: Broker, { service, prefix, clock }: Omit<DriverOptions, 'url'>): Driver {
  const subscriptions = new Set<MemorySubscription>()
  const tails = new Set<() => void>()
  const topics = new Map<string, Topic>()
  let state: 'new' | 'connected' | 'closed' = 'new'

  const notConnected = (): CorebusError | undefined => {
    if (state === 'connected') return undefined
    if (state === 'closed') return new CorebusError('CLOSED', 'the memory driver has been closed')
    return new CorebusError('NOT_CONNECTED', 'the memory driver is not connected yet: call connect() first')
  }
  const topicNamed = (name: string): Topic => {
    const topic = topics.get(name) ?? broker.topic(`${prefix}${name}`)
    topics.set(name, topic)
    return topic
  }
  const placeOf = placesOf({ service, prefix })

  return {
    name: 'memory',
    capabilities: CAPABILITIES,
    admin: memoryAdmin({ broker, prefix, clock, placeOf }),
    members: members(broker, prefix, runtimeOf(clock)),

    async connect(onState: (connection: ConnectionState) => void) {
      if (state === 'closed') throw notConnected()
      state = 'connected'
      onState({ kind: 'connected' })
    },

    async ensure(topology, mode) {
      return ensureTopology(broker, prefix, topology, mode)
    },

    async publish(messages) {
      const cause = notConnected()
      if (cause) throw noneTaken(messages, cause)
      const now = clock.now()
      const refused = messages.filter((message) => !topicNamed(message.topic).add(message, now))
      if (refused.length > 0) throw new PublishError(refused.map(full), 'TOPIC_FULL')
    },

    async subscribe(options) {
      const cause = notConnected()
      if (cause) throw cause
      const groups = [...new Set(options.topics)].map((topic) => topicNamed(topic).group(options.group))
      const subscription = join({ broker, groups, clock, placeOf }, options)
      for (const group of groups) broker.topic(group.topic).start(group, options.from, clock.now())
      subscriptions.add(subscription)
      options.onState({ kind: 'consuming' })
      return subscription
    },

    async tail({ topic, from, onMessages }) {
      const cause = notConnected()
      if (cause) throw cause
      const stop = topicNamed(topic).watch(from, clock.now(), onMessages)
      tails.add(stop)
      return {
        async stop() {
          tails.delete(stop)
          stop()
        },
      }
    },

    async close() {
      state = 'closed'
      for (const stop of tails) stop()
      for (const subscription of subscriptions) subscription.handBack()
      tails.clear()
      subscriptions.clear()
    },
  }
}

function placesOf({ service, prefix }: Pick<DriverOptions, 'service' | 'prefix'>): Joining['placeOf'] {
  return ({ name, topic, deadLetterPlace: declared }) => {
    const at = { topic: topic.slice(prefix.length), group: name, service, prefix }
    const { name: place, ttlMs = Number.POSITIVE_INFINITY } = resolvePlace(declared || {}, at)
    return { place, ttlMs }
  }
}

function nameOf(url: string): string {
  const match = /^memory:(?:\/\/)?([^/?#]*)\/?$/.exec(url)
  if (!match) throw new CorebusError('URL', `"${url}" is not an address of the memory broker: write memory://name`)
  return match[1] || 'default'
}

function full({ id, topic }: Message): PublishFailure {
  const message = `topic "${topic}" already keeps ${UNCLAIMED_MESSAGES} messages that no group has read: start a consumer of it, or stop publishing`
  return { id, permanent: false, cause: new CorebusError('TOPIC_FULL', message) }
}

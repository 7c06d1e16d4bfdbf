import type { Admin, Capabilities, Driver, DriverOptions, Members, Message } from '../../driver.ts'
import { asError } from '../../errors.ts'
import { type Open, withLifecycle } from '../lifecycle.ts'
import type { PublishCall } from '../pending.ts'
import { addressOf } from './address.ts'
import { admin } from './admin.ts'
import { askUntilAnswered } from './ask.ts'
import { BrokerTime } from './broker-time.ts'
import { Connection } from './connection.ts'
import { Copies } from './copies.ts'
import { Letters } from './dead-letters.ts'
import { closed, failureOf, isPermanent } from './failure.ts'
import { members } from './members.ts'
import { Metadata } from './metadata.ts'
import { type Names, namesWith } from './names.ts'
import type { RecordOut } from './protocol/client.ts'
import { Publisher } from './publisher.ts'
import { rawOf } from './raw.ts'
import { Registry } from './registry.ts'
import { subscribe } from './subscription.ts'
import { openTail } from './tail.ts'
import { Topology } from './topology.ts'
import { toRecord } from './wire.ts'

export { loadLibrary } from './protocol/client.ts'

const CAPABILITIES: Capabilities = {
  durable: true,
  orderedAcrossProcesses: true,
  keepsHistory: true,
  longestHandlingMs: Number.POSITIVE_INFINITY,
  members: true,
  sources: ['topic'],
  letterTargets: ['topic'],
}

/** Apache Kafka. `durability` has nothing to apply to: a confirm means that all replicas in sync have it. */
export function kafkaDriver(options: DriverOptions): Driver {
  const { clock, service, prefix, publishTimeoutMs: timeoutMs, topics = {} } = options
  const address = addressOf(options)
  const names = namesWith(prefix, options.names)
  const closing = new AbortController()
  const connection = new Connection({ address, clock, closing: closing.signal })
  const { publishing, asking } = connection

  const publisher: Publisher = new Publisher({
    client: publishing,
    metadata: new Metadata(publishing, clock),
    clock,
    timeoutMs,
    time: { now: () => time.now(), correct: () => time.correct() },
    remake: (topic) => topology.make(topic),
  })
  const registry = new Registry({ client: asking, publisher, topic: names.registry })
  const topology = new Topology({ names, prefix, service, topics, client: asking, clock, registry })
  const copies = new Copies({ names, topology, publisher, clock })
  const time: BrokerTime = new BrokerTime(clock, () => publisher.store(names.clock, 0, { key: null, value: null, headers: {} }))
  const asked = <T>(ask: () => Promise<T>) => askUntilAnswered(ask, { clock, timeoutMs })
  const entries = () => asked(() => registry.entries())
  const letters = new Letters({ names, client: asking, publisher, copies, clock, timeoutMs, entries })
  const context = { address, names, clock, timeoutMs, asking, topology, copies, time }

  const open: Open = {
    name: 'kafka',
    capabilities: CAPABILITIES,
    admin: insistent(admin({ names, prefix, client: asking, publisher, clock, letters, registry, time, entries }), asked),
    members: insistentMembers(members({ client: asking, publisher, time, topic: names.members }), asked),
    connect: (listener) => connection.open(timeoutMs, listener),
    ensure: (wanted, mode) => asked(() => topology.ensure(wanted, mode)),
    publish: (messages, call) => publishAll(messages, { names, publisher, call }),
    trouble: (topic) => publisher.trouble(names.topic(topic)),
    subscribe: (wanted) => subscribe(wanted, context),
    raw: ({ receipt }) => rawOf(receipt),
    async tail({ topic, from, onMessages }) {
      const name = await registry.readAs(topic, names)
      await publisher.count(name)
      return asked(() => openTail({ address, clock, asking, topic, name, from, onMessages }))
    },
    flush: async () => (connection.isUp ? publisher.flush() : undefined),
    async disconnect() {
      publisher.close(closed())
      letters.close()
      await connection.close()
    },
  }
  return withLifecycle(open, { clock, publishTimeoutMs: timeoutMs, closing, closed })
}

interface PublishTo {
  readonly names: Names
  readonly publisher: Publisher
  readonly call: PublishCall
}

async function publishAll(messages: readonly Message[], to: PublishTo): Promise<void> {
  const [first] = messages
  if (messages.every(({ topic }) => topic === first?.topic)) return publishTo(first?.topic ?? '', messages, to)
  await Promise.all([...Map.groupBy(messages, ({ topic }) => topic)].map(([topic, ofTopic]) => publishTo(topic, ofTopic, to)))
}

/** Never rejects: what cannot be published is told to the call. */
async function publishTo(topic: string, messages: readonly Message[], { names, publisher, call }: PublishTo): Promise<void> {
  const name = names.topic(topic)
  let records: readonly RecordOut[] = []
  let partitions: readonly number[] = []
  try {
    records = messages.map(toRecord)
    const counted = publisher.count(name)
    // Not waited for when it is known: calls keep their order.
    const count = typeof counted === 'number' ? counted : await counted
    if (count !== counted) call.throwIfLate()
    const keys = records.map(({ key }) => key)
    partitions = publisher.partitions(count, keys)
  } catch (thrown) {
    const failure = { permanent: isPermanent(failureOf(thrown)), cause: asError(thrown) }
    for (const message of messages) call.ended(message, failure)
  }
  for (const [i, record] of records.entries()) {
    const partition = partitions[i]
    if (partition !== undefined) publisher.publish({ id: messages[i]?.id ?? '', topic: name, partition, record }, call)
  }
}

/** Reading can be done twice; replay and purge cannot say what they have done, and are asked once. */
function insistent(admin: Admin, asked: <T>(ask: () => Promise<T>) => Promise<T>): Admin {
  return {
    ...admin,
    topics: (names) => asked(() => admin.topics(names)),
    depth: (topic, group) => asked(() => admin.depth(topic, group)),
    sharedDelays: () => asked(async () => (await admin.sharedDelays?.()) ?? []),
    deadLetters: (filter, paging) => asked(() => admin.deadLetters(filter, paging)),
  }
}

function insistentMembers(notes: Members, asked: <T>(ask: () => Promise<T>) => Promise<T>): Members {
  return {
    tell: (...said) => asked(() => notes.tell(...said)),
    list: (group) => asked(() => notes.list(group)),
    leave: (group, member) => notes.leave(group, member),
  }
}

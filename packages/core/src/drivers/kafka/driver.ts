import type { Admin, Driver, DriverOptions, Members, Message, SubscribeOptions } from '../../driver.ts'
import { asError, noneTaken, PublishError, type PublishFailure } from '../../errors.ts'
import { Readers } from '../readers.ts'
import { addressOf } from './address.ts'
import { admin } from './admin.ts'
import { BrokerTime } from './broker-time.ts'
import { Connection } from './connection.ts'
import { Copies } from './copies.ts'
import { letters } from './dead-letters.ts'
import { closed, failureOf, isPermanent } from './failure.ts'
import { insist } from './insist.ts'
import { members } from './members.ts'
import { Metadata } from './metadata.ts'
import { namesWith } from './names.ts'
import type { Failed } from './publish-queue.ts'
import { Publisher } from './publisher.ts'
import { Registry } from './registry.ts'
import { subscribe } from './subscription.ts'
import { openTail } from './tail.ts'
import { Topology } from './topology.ts'
import { toRecord } from './wire.ts'

export { loadLibrary } from './protocol/client.ts'

/** Apache Kafka. `durability` has nothing to apply to: a confirm means that all replicas in sync have it. */
export function kafkaDriver(options: DriverOptions): Driver {
  const { clock, service, prefix, publishTimeoutMs: timeoutMs, topics = {} } = options
  const address = addressOf(options)
  const names = namesWith(prefix)
  const connection = new Connection({ address, clock })
  const { publishing, asking } = connection
  const readers = new Readers()
  let closing = false
  let ended: Promise<void> | undefined

  const publisher: Publisher = new Publisher({
    client: publishing,
    metadata: new Metadata(publishing, clock),
    clock,
    timeoutMs,
    time: { now: () => time.now(), correct: () => time.correct() },
    remake: (topic) => topology.make(topic),
  })
  const registry = new Registry({ client: asking, publisher, topic: names.registry })
  const topology = new Topology({ names, prefix, service, topics, client: asking, registry })
  const copies = new Copies({ names, topology, publisher, clock })
  const time: BrokerTime = new BrokerTime(clock, () => publisher.store(names.clock, 0, { key: null, value: null, headers: {} }))
  const asked = <T>(ask: () => Promise<T>) => insist(ask, { clock, timeoutMs })
  const entries = () => asked(() => registry.entries())
  const dead = letters({ names, client: asking, publisher, copies, clock, entries })
  const context = { address, names, clock, timeoutMs, asking, topology, copies, time }

  async function publish(messages: readonly Message[]): Promise<void> {
    const failures: PublishFailure[] = []
    const fail = (message: Message, { permanent, cause }: Failed) => failures.push({ id: message.id, permanent, cause })
    await Promise.all(
      [...Map.groupBy(messages, ({ topic }) => topic)].map(async ([topic, ofTopic]) => {
        const name = names.topic(topic)
        try {
          const records = ofTopic.map(toRecord)
          const counted = publisher.count(name)
          // Not waited for when it is known: calls keep their order.
          const count = typeof counted === 'number' ? counted : await counted
          const keys = records.map(({ key }) => key)
          const to = publisher.partitions(count, keys)
          await new Promise<void>((resolve) => {
            let left = records.length
            for (const [i, record] of records.entries())
              publisher.publish(name, to[i] ?? 0, record, (failed) => {
                if (failed) fail(ofTopic[i] as Message, failed)
                if (--left === 0) resolve()
              })
          })
        } catch (thrown) {
          const failed = { permanent: isPermanent(failureOf(thrown)), cause: asError(thrown) }
          for (const message of ofTopic) fail(message, failed)
        }
      }),
    )
    if (failures.length > 0) throw new PublishError(failures)
  }

  async function close(): Promise<void> {
    closing = true
    connection.closing()
    await readers.opened()
    if (connection.isUp) await publisher.flush()
    await readers.end()
    publisher.close(closed())
    await connection.close()
    readers.letGo()
  }

  return {
    name: 'kafka',
    capabilities: {
      durable: true,
      orderedAcrossProcesses: true,
      keepsHistory: true,
      longestHandlingMs: Number.POSITIVE_INFINITY,
      members: true,
    },
    admin: insistent(admin({ names, prefix, client: asking, publisher, clock, letters: dead, registry, time, entries }), asked),
    members: insistentMembers(members({ client: asking, publisher, time, topic: names.members }), asked),
    async connect(listener) {
      if (closing) throw closed()
      await connection.open(timeoutMs, listener)
    },
    ensure: (wanted, mode) => asked(() => topology.ensure(wanted, mode)),
    async publish(messages) {
      if (messages.length === 0) return
      if (!closing) return publish(messages)
      throw noneTaken(messages, closed())
    },
    async subscribe(wanted: SubscribeOptions) {
      if (closing) throw closed()
      return readers.subscription(subscribe(wanted, context))
    },
    async tail({ topic, from, onMessages }) {
      if (closing) throw closed()
      const name = names.topic(topic)
      await publisher.count(name)
      return readers.tail(asked(() => openTail({ address, clock, asking, topic, name, from, onMessages })))
    },
    close() {
      ended ??= close()
      return ended
    },
  }
}

/** Reading can be done twice; replay and purge cannot say what they have done, and are asked once. */
function insistent(admin: Admin, asked: <T>(ask: () => Promise<T>) => Promise<T>): Admin {
  return {
    ...admin,
    topics: (names) => asked(() => admin.topics(names)),
    depth: (topic, group) => asked(() => admin.depth(topic, group)),
    sharedDelays: () => asked(async () => (await admin.sharedDelays?.()) ?? []),
    deadLetters: (filter, options) => asked(() => admin.deadLetters(filter, options)),
  }
}

function insistentMembers(notes: Members, asked: <T>(ask: () => Promise<T>) => Promise<T>): Members {
  return {
    tell: (...said) => asked(() => notes.tell(...said)),
    list: (group) => asked(() => notes.list(group)),
    leave: (group, member) => notes.leave(group, member),
  }
}

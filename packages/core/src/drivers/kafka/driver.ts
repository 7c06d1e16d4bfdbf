import { Hold } from '../../clock.ts'
import type { Admin, Driver, DriverOptions, Message, SubscribeOptions } from '../../driver.ts'
import { asError, PublishError, type PublishFailure } from '../../errors.ts'
import { addressOf } from './address.ts'
import { admin } from './admin.ts'
import { BrokerTime } from './broker-time.ts'
import { Connection } from './connection.ts'
import { Copies } from './copies.ts'
import { letters } from './dead-letters.ts'
import { closed, failureOf, isPermanent } from './failure.ts'
import { insist } from './insist.ts'
import { Metadata } from './metadata.ts'
import { namesWith } from './names.ts'
import type { Failed } from './publish-queue.ts'
import { Publisher } from './publisher.ts'
import { Registry } from './registry.ts'
import { type Member, subscribe } from './subscription.ts'
import { openTail, type Tail } from './tail.ts'
import { Topology } from './topology.ts'
import { toRecord } from './wire.ts'

/** Apache Kafka. `durability` has nothing to apply to: a confirm means that all replicas in sync have it. */
export function kafkaDriver(options: DriverOptions): Driver {
  const { clock, service, prefix, publishTimeoutMs: timeoutMs, topics = {} } = options
  const address = addressOf(options)
  const names = namesWith(prefix)
  const connection = new Connection({ address, clock })
  const { publishing, asking } = connection
  const members = new Set<Member>()
  const tails = new Set<Tail>()
  const starting = new Set<Promise<unknown>>()
  const hold = new Hold()
  const alive = new Set<Member | Tail>()
  let closing = false
  let ended: Promise<void> | undefined

  const publisher: Publisher = new Publisher({
    client: publishing,
    metadata: new Metadata(publishing, clock),
    clock,
    timeoutMs,
    remake: (topic) => topology.make(topic),
  })
  const registry = new Registry({ client: asking, publisher, topic: names.registry })
  const topology = new Topology({ names, prefix, service, topics, client: asking, registry })
  const copies = new Copies({ names, topology, publisher, clock })
  const time = new BrokerTime(clock, () => publisher.store(names.clock, 0, { key: null, value: null, headers: {} }))
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

  async function track<T>(work: Promise<T>): Promise<T> {
    starting.add(work)
    try {
      return await work
    } finally {
      starting.delete(work)
    }
  }

  /** The process lives while one of these does, also during an outage. */
  function live(one: Member | Tail, on: boolean): void {
    if (on) alive.add(one)
    else alive.delete(one)
    if (alive.size > 0) hold.on()
    else hold.off()
  }

  async function close(): Promise<void> {
    closing = true
    connection.closing()
    await Promise.allSettled(starting)
    if (connection.isUp) await publisher.flush()
    await Promise.all([...members].map((member) => member.end()))
    await Promise.all([...tails].map((tail) => tail.stop()))
    publisher.close(closed())
    await connection.close()
    hold.end()
  }

  return {
    name: 'kafka',
    capabilities: { durable: true, orderedAcrossProcesses: true, keepsHistory: true, longestHandlingMs: Number.POSITIVE_INFINITY },
    admin: insistent(admin({ names, prefix, client: asking, letters: dead, entries }), asked),
    async connect(listener) {
      if (closing) throw closed()
      await connection.open(timeoutMs, listener)
    },
    ensure: (wanted, mode) => asked(() => topology.ensure(wanted, mode)),
    async publish(messages) {
      if (messages.length === 0) return
      if (!closing) return publish(messages)
      const cause = closed()
      throw new PublishError(
        messages.map(({ id }) => ({ id, permanent: false, cause })),
        cause.code,
      )
    },
    async subscribe(wanted: SubscribeOptions) {
      if (closing) throw closed()
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
      if (closing) throw closed()
      const name = names.topic(topic)
      await publisher.count(name)
      const tail = await track(asked(() => openTail({ address, clock, asking, topic, name, from, onMessages })))
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
    deadLetters: (filter, options) => asked(() => admin.deadLetters(filter, options)),
  }
}

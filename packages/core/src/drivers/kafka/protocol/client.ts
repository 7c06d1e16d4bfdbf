import type { Cluster as PublicCluster } from 'kafkajs'
import type { Address } from '../address.ts'
import { closed, throwBut } from '../failure.ts'
import { consumerGroupRequest } from './consumer-group.ts'
import { encodeFetch, READ_COMMITTED, readAnswer } from './fetch.ts'
import { fetchRequest, keepMetadata, send, throwIfRefused } from './kafkajs.ts'
import { kafkaLibrary } from './library.ts'
import { type Forgotten, offsetDeleteRequest } from './offset-delete.ts'
import { grouped, shuffled } from './positions.ts'
import { type Parcel, produceRequest, type Stored } from './produce.ts'
import type { Cluster, Committed, Described, Joined, Node } from './protocol.ts'
import type { RecordIn } from './record-in.ts'
import { readable } from './records.ts'
import { Sockets } from './sockets.ts'

// The one door of this folder: what the driver works on beside requests.
export { loadLibrary } from './kafkajs.ts'
export { assignerProtocol } from './library.ts'
export type { Parcel } from './produce.ts'
export type { Joined } from './protocol.ts'
export { encodeBatch } from './record-batch.ts'
export type { RecordIn } from './record-in.ts'
export { bytesOf, type RawHeaders, type RecordOut } from './records.ts'

/**
 * All that this driver asks of kafkajs: requests of the Kafka protocol, each sent once to the broker it is meant for. Batching, retrying,
 * deadlines, membership and fetching are the driver's own.
 */
export interface ClientOptions {
  readonly address: Address
  /** A connection was lost that had been there: with an error of its own, or silent for too long. */
  readonly onLost?: (error: Error, silent: boolean) => void
}

export interface Place {
  readonly topic: string
  readonly partition: number
}

export type Position = Place & { readonly offset: number }

export interface Fetched extends Place {
  readonly records: readonly RecordIn[]
  /** Where to go on. */
  readonly next: number
}

export interface NewTopic {
  readonly topic: string
  readonly partitions: number
  readonly config: Readonly<Record<string, string>>
}

const [CLOSE_WITHIN_MS, SERVER_TIMEOUT_MS] = [2_000, 5_000]
const TOPIC_RESOURCE = 2
const ON_EVERY_BROKER = '__consumer_offsets'
const PARTITION_BYTES = 1024 * 1024

export class Client {
  readonly #cluster: Cluster
  readonly #sockets: Sockets
  readonly #coordinators = new Map<string, number>()
  #closed = false
  #knowsNodes = false

  constructor({ address, onLost = () => {} }: ClientOptions) {
    this.#sockets = new Sockets(onLost, address.openSocket)
    const kafka = new (kafkaLibrary().kafkajs.Kafka)({ ...address.kafka, retry: { retries: 0 }, socketFactory: this.#sockets.factory })
    let cluster: PublicCluster | undefined
    // An assigner is handed the cluster: the one door to single requests.
    const consumer = kafka.consumer({
      groupId: 'corebus',
      allowAutoTopicCreation: false,
      partitionAssigners: [
        (given) => {
          cluster = given.cluster
          return { name: 'none', version: 0, assign: async () => [], protocol: () => ({ name: 'none', metadata: Buffer.alloc(0) }) }
        },
      ],
    })
    consumer.on(consumer.events.REQUEST_TIMEOUT, ({ payload }) => this.#sockets.silent(payload.broker))
    // Its types leave out what the interface above adds.
    this.#cluster = cluster as unknown as Cluster
    keepMetadata(this.#cluster.brokerPool)
  }

  /** @throws what kafkajs says of it. */
  async connect(): Promise<void> {
    this.#open()
    await this.#cluster.connect()
    await this.#learnNodes()
    this.#knowsNodes = true
  }

  /** Whether anybody answers. */
  async ping(): Promise<void> {
    await (await this.#any()).apiVersions()
  }

  /** The leader of each partition, -1 where there is none now. @throws UNKNOWN_TOPIC_OR_PARTITION */
  async leaders(topic: string): Promise<readonly number[]> {
    const { topicMetadata } = await (await this.#any()).metadata([topic])
    const found = topicMetadata.find((one) => one.topic === topic)
    throwIfRefused(found?.topicErrorCode ?? 0)
    const partitions = found?.partitionMetadata ?? []
    return [...partitions].sort((a, b) => a.partitionId - b.partitionId).map(({ leader }) => leader)
  }

  /** How many partitions each topic has. */
  async topics(): Promise<ReadonlyMap<string, number>> {
    const { topicMetadata } = await (await this.#any()).metadata([])
    const there = topicMetadata.filter(({ topicErrorCode }) => topicErrorCode === 0)
    return new Map(there.map(({ topic, partitionMetadata }) => [topic, partitionMetadata.length]))
  }

  #any(): Promise<Node> {
    this.#open()
    return this.#cluster.brokerPool.findConnectedBroker()
  }

  #open(): void {
    if (this.#closed) throw closed()
  }

  async #node(nodeId: number): Promise<Node> {
    this.#open()
    // Of those that most have no use for.
    if (!this.#knowsNodes) await this.connect()
    try {
      return await this.#cluster.findBroker({ nodeId })
    } catch (thrown) {
      // One that was not there before, or is at another address now.
      await this.#learnNodes()
      throw thrown
    }
  }

  /** Who the brokers are comes with topics: with one that is on all of them, since a question for none is one for all. */
  #learnNodes(): Promise<void> {
    return this.#cluster.brokerPool.refreshMetadata([ON_EVERY_BROKER])
  }

  /** Batches of several partitions that `leader` leads, in one request; for each what became of it. @throws when there is no answer */
  async produce(leader: number, parcels: readonly Parcel[]): Promise<readonly Stored[]> {
    return send(await this.#node(leader), produceRequest(parcels, SERVER_TIMEOUT_MS))
  }

  /** Waits up to `maxWaitMs` for something to read. Of partitions without any nothing is said. */
  async fetch(
    leader: number,
    positions: readonly Position[],
    { maxWaitMs, maxBytes }: { maxWaitMs: number; maxBytes: number },
  ): Promise<readonly Fetched[]> {
    const node = await this.#node(leader)
    const from = new Map(positions.map(({ topic, partition, offset }) => [`${topic}\0${partition}`, offset]))
    // In another order each time: the answer is full with the first of them.
    const wanted = { topics: grouped(shuffled(positions)), maxWaitMs, maxBytes, partitionBytes: PARTITION_BYTES }
    const answers = await send(node, fetchRequest(node, maxWaitMs, { encode: (version) => encodeFetch(wanted, version), read: readAnswer }))
    const some = answers.filter(({ batches }) => batches.length > 0)
    return some.map(({ topic, partition, batches, aborted }) => ({
      topic,
      partition,
      ...readable(batches, from.get(`${topic}\0${partition}`) ?? 0, aborted),
    }))
  }

  /** Where a topic's partitions begin or end; undefined where nobody leads them now. */
  async offsets(topic: string, leaders: readonly number[], which: 'begin' | 'end'): Promise<readonly (number | undefined)[]> {
    const found: (number | undefined)[] = leaders.map(() => undefined)
    const timestamp = which === 'begin' ? '-2' : '-1'
    await Promise.all(
      [...new Set(leaders.filter((leader) => leader >= 0))].map(async (leader) => {
        const partitions = leaders.flatMap((one, partition) => (one === leader ? [{ partition, timestamp }] : []))
        const node = await this.#node(leader)
        const { responses } = await node.listOffsets({ replicaId: -1, isolationLevel: READ_COMMITTED, topics: [{ topic, partitions }] })
        for (const { partition, offset } of responses[0]?.partitions ?? []) found[partition] = Number(offset)
      }),
    )
    return found
  }

  /** Already there is fine. With `only: 'look'` none is made. @throws what the broker says of the others. */
  async create(topics: readonly NewTopic[], { only }: { readonly only?: 'look' } = {}): Promise<void> {
    const node = await this.#any()
    try {
      await node.createTopics({
        timeout: SERVER_TIMEOUT_MS,
        validateOnly: only === 'look',
        topics: topics.map(({ topic, partitions, config }) => ({
          topic,
          numPartitions: partitions,
          replicationFactor: -1,
          configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
        })),
      })
    } catch (thrown) {
      throwBut(thrown, 'TOPIC_ALREADY_EXISTS')
    }
  }

  /** A topic that is not there is fine. @throws what the broker says of the others. */
  async delete(topics: readonly string[]): Promise<void> {
    const unlessGone = (thrown: unknown) => throwBut(thrown, 'UNKNOWN_TOPIC_OR_PARTITION')
    for (const topic of topics) await (await this.#any()).deleteTopics({ topics: [topic], timeout: SERVER_TIMEOUT_MS }).catch(unlessGone)
  }

  async configOf(name: string): Promise<ReadonlyMap<string, string>> {
    const { resources } = await (await this.#any()).describeConfigs({ resources: [{ type: TOPIC_RESOURCE, name }] })
    return new Map(resources[0]?.configEntries.map(({ configName, configValue }) => [configName, configValue]))
  }

  // Groups. Each asks the group's coordinator, which is looked up again after a failure.

  async #coordinator<T>(groupId: string, ask: (node: Node) => Promise<T>): Promise<T> {
    let nodeId = this.#coordinators.get(groupId)
    try {
      if (nodeId === undefined) {
        nodeId = (await (await this.#any()).findGroupCoordinator({ groupId, coordinatorType: 0 })).coordinator.nodeId
        this.#coordinators.set(groupId, nodeId)
      }
      return await ask(await this.#node(nodeId))
    } catch (thrown) {
      this.#coordinators.delete(groupId)
      throw thrown
    }
  }

  join(
    groupId: string,
    request: { memberId: string; sessionTimeout: number; rebalanceTimeout: number; groupProtocols: readonly object[] },
  ): Promise<Joined> {
    return this.#coordinator(groupId, (node) => node.joinGroup({ groupId, ...request }))
  }

  async sync(groupId: string, request: { memberId: string; generationId: number; groupAssignment: readonly object[] }): Promise<Buffer> {
    return (await this.#coordinator(groupId, (node) => node.syncGroup({ groupId, ...request }))).memberAssignment
  }

  async heartbeat(groupId: string, request: { memberId: string; groupGenerationId: number }): Promise<void> {
    await this.#coordinator(groupId, (node) => node.heartbeat({ groupId, ...request }))
  }

  async leave(groupId: string, memberId: string): Promise<void> {
    await this.#coordinator(groupId, (node) => node.leaveGroup({ groupId, memberId }))
  }

  describe(groupId: string): Promise<Described | undefined> {
    return this.#coordinator(groupId, async (node) => (await node.describeGroups({ groupIds: [groupId] })).groups[0])
  }

  /** How a group stands whose members speak the protocol of Kafka 4; undefined for any other. @throws also where the broker knows none */
  stateOfNew(groupId: string): Promise<string | undefined> {
    return this.#coordinator(groupId, (node) => send(node, consumerGroupRequest(node, groupId)))
  }

  async commit(
    groupId: string,
    member: { memberId: string; groupGenerationId: number },
    offsets: readonly (Place & Committed)[],
  ): Promise<void> {
    await this.#coordinator(groupId, (node) => node.offsetCommit({ groupId, ...member, topics: grouped(offsets) }))
  }

  /** By partition; undefined where nothing is committed. */
  async committed(
    groupId: string,
    topic: string,
    partitions: readonly number[],
  ): Promise<ReadonlyMap<number, { offset: number; metadata: string }>> {
    const wanted = { groupId, topics: [{ topic, partitions: partitions.map((partition) => ({ partition })) }] }
    const { responses } = await this.#coordinator(groupId, (node) => node.offsetFetch(wanted))
    const found = new Map<number, { offset: number; metadata: string }>()
    for (const { partition, offset, metadata } of responses[0]?.partitions ?? [])
      if (Number(offset) >= 0) found.set(partition, { offset: Number(offset), metadata: metadata ?? '' })
    return found
  }

  /** Takes off what the group has committed for topics, each with so many partitions. */
  forget(groupId: string, partitions: ReadonlyMap<string, number>): Promise<Forgotten> {
    return this.#coordinator(groupId, (node) => send(node, offsetDeleteRequest(groupId, partitions)))
  }

  /** Another client of the same server has lost it. */
  letGo(): void {
    this.#sockets.letGo()
  }

  /** Safe to call twice. A broker that does not answer is not waited for. */
  async close(withinMs: number = CLOSE_WITHIN_MS): Promise<void> {
    this.#closed = true
    this.#sockets.closing()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, withinMs)
    })
    await Promise.race([this.#cluster.disconnect().catch(() => {}), late])
    clearTimeout(timer)
    this.#sockets.destroy()
  }
}

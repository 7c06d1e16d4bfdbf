import type { Cluster as PublicCluster } from 'kafkajs'
import type { BrokerInside } from './kafkajs.ts'

/** kafkajs's cluster, as it gives it to an assigner, with what its types leave out. */
export interface Cluster extends Pick<PublicCluster, 'connect' | 'disconnect'> {
  findBroker(node: { nodeId: number }): Promise<Node>
  readonly brokerPool: {
    createBroker: (options: object) => object
    refreshMetadata(topics: readonly string[]): Promise<void>
    findConnectedBroker(): Promise<Node>
  }
}

export interface Metadata {
  readonly topicMetadata: readonly TopicMetadata[]
}

export interface TopicMetadata {
  readonly topicErrorCode: number
  readonly topic: string
  readonly partitionMetadata: readonly PartitionMetadata[]
}

export interface PartitionMetadata {
  readonly partitionId: number
  readonly leader: number
}

export interface PartitionsOf<T> {
  readonly topic: string
  readonly partitions: readonly T[]
}

export interface Node extends BrokerInside {
  metadata: (topics: readonly string[]) => Promise<Metadata>
  apiVersions(): Promise<unknown>
  listOffsets(request: object): Promise<{ responses: PartitionsOf<{ partition: number; offset: string }>[] }>
  findGroupCoordinator(request: { groupId: string; coordinatorType: 0 }): Promise<{ coordinator: { nodeId: number } }>
  joinGroup(request: object): Promise<Joined>
  syncGroup(request: object): Promise<{ memberAssignment: Buffer }>
  heartbeat(request: object): Promise<unknown>
  leaveGroup(request: object): Promise<unknown>
  describeGroups(request: { groupIds: string[] }): Promise<{ groups: Described[] }>
  offsetCommit(request: object): Promise<unknown>
  offsetFetch(request: object): Promise<{ responses: PartitionsOf<Committed & { partition: number }>[] }>
  createTopics(request: object): Promise<unknown>
  deleteTopics(request: object): Promise<unknown>
  describeConfigs(request: object): Promise<{ resources: { configEntries: { configName: string; configValue: string }[] }[] }>
}

export interface Joined {
  readonly generationId: number
  readonly leaderId: string
  readonly memberId: string
  readonly members: readonly { readonly memberId: string; readonly memberMetadata: Buffer }[]
}

export interface Described {
  readonly state: string
  /** How its members assign partitions, once they have agreed. */
  readonly protocol: string
  readonly members: readonly { readonly memberId: string; readonly memberMetadata: Buffer }[]
}

export interface Committed {
  readonly offset: string
  readonly metadata: string | null
}

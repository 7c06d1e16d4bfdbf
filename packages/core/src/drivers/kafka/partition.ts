import { Partitioners } from './kafkajs.ts'

const pick = Partitioners.DefaultPartitioner()

/** The same partition for a key as Java's client and librdkafka's murmur2_random. */
export function partitionOf(topic: string, key: Buffer, partitions: number): number {
  let metadata = METADATA.get(partitions)
  if (!metadata) {
    metadata = Array.from({ length: partitions }, (_, partitionId) => ({
      partitionErrorCode: 0,
      partitionId,
      leader: 0,
      replicas: [],
      isr: [],
    }))
    METADATA.set(partitions, metadata)
  }
  return pick({ topic, partitionMetadata: metadata, message: { key, value: null } })
}

const METADATA = new Map<number, { partitionErrorCode: number; partitionId: number; leader: number; replicas: number[]; isr: number[] }[]>()

import kafkajs from 'kafkajs'
import { expect, test } from 'vitest'
import { partitionOf } from './partition.ts'

const pick = kafkajs.Partitioners.DefaultPartitioner()
const partitionMetadata = (count: number) =>
  Array.from({ length: count }, (_, partitionId) => ({ partitionErrorCode: 0, partitionId, leader: 0, replicas: [], isr: [] }))

test('a key of any length and any bytes goes where kafkajs, and so Java, has it', () => {
  const keys = Array.from({ length: 400 }, (_, n) => Buffer.from(Array.from({ length: n % 40 }, (_, i) => (n * 131 + i * 89) & 0xff)))
  for (const count of [1, 4, 12, 100])
    for (const key of keys)
      expect(partitionOf(key, count)).toBe(pick({ topic: 't', partitionMetadata: partitionMetadata(count), message: { key, value: null } }))
})

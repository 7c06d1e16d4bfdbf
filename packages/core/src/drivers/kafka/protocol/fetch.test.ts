import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { encodeFetch } from './fetch.ts'
import { loadLibrary } from './kafkajs.ts'

await loadLibrary()

const require = createRequire(import.meta.url)
const READ_COMMITTED = 1

/** As kafkajs writes it. */
async function theirs(version: number): Promise<Buffer> {
  const request = require(`kafkajs/src/protocol/requests/fetch/v${version}/request`)
  const partitions = (offsets: readonly number[]) =>
    offsets.map((offset, partition) => ({ partition, fetchOffset: String(offset), maxBytes: 9 }))
  const topics = [
    { topic: 'orders', partitions: partitions([0, 2 ** 40]) },
    { topic: 'Grüße', partitions: partitions([7]) },
  ]
  const options = { replicaId: -1, maxWaitTime: 300, minBytes: 1, maxBytes: 77, isolationLevel: READ_COMMITTED, topics }
  return (await request(options).encode()).buffer
}

test.each([4, 5, 6, 7, 8, 9, 10, 11])('a fetch of version %i is written as kafkajs does', async (version) => {
  const topics = [
    {
      topic: 'orders',
      partitions: [
        { partition: 0, offset: 0 },
        { partition: 1, offset: 2 ** 40 },
      ],
    },
    { topic: 'Grüße', partitions: [{ partition: 0, offset: 7 }] },
  ]
  const ours = encodeFetch({ topics, maxWaitMs: 300, maxBytes: 77, partitionBytes: 9 }, version)
  expect(ours.toString('hex')).toBe((await theirs(version)).toString('hex'))
})

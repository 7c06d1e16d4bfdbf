import { expect, test } from 'vitest'
import { compacted } from './fixtures/compacted.ts'
import type { Client } from './protocol/client.ts'
import type { Publisher } from './publisher.ts'
import { takeOut } from './take-out.ts'

const of = { topic: 'orders', group: 'g' }
const waitingFor = (topic: string) => ({
  'corebus-origin': Buffer.from(JSON.stringify({ topic, partition: 0, offset: 0, at: 0 })),
  'corebus-delay': Buffer.from('1000'),
})

/** A delay of two topics, with nothing settled; `onStored` is called when a copy is stored. */
function delay(onStored: (commit: (offset: number) => void) => void = () => {}) {
  const log = compacted()
  const commits: string[] = []
  const stored: unknown[] = []
  let committed = { offset: 0, metadata: '' }
  const client = {
    ...log.client,
    describe: async () => ({ members: [] }),
    committed: async () => new Map([[0, committed]]),
    commit: async (_group: string, _member: unknown, [{ offset }]: [{ offset: string }]) => void commits.push(offset),
  } as unknown as Client
  const publisher = {
    async store(...args: unknown[]) {
      stored.push(args)
      onStored((offset) => {
        committed = { offset, metadata: '' }
      })
    },
  } as unknown as Publisher
  const out = () => takeOut('delay', { client, publisher, time: { now: () => 0 }, groupId: 'g', of })
  return { log, out, commits, stored }
}

test('what waits for another topic is stored again, and all before it is done with', async () => {
  const { log, out, commits, stored } = delay()
  for (const topic of ['orders', 'refunds', 'orders']) log.put(topic, waitingFor(topic))
  await out()
  expect([stored.length, commits]).toEqual([1, ['3']])
})

test('where a member has gone on with the delay meanwhile nothing is committed over that, and it is said', async () => {
  const { log, out, commits } = delay((commit) => commit(2))
  for (const topic of ['orders', 'refunds', 'orders']) log.put(topic, waitingFor(topic))
  await expect(out()).rejects.toMatchObject({ code: 'GROUP_HAS_MEMBERS' })
  expect(commits).toEqual([])
})

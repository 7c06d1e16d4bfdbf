import { expect, test } from 'vitest'
import { systemClock } from '../../clock.ts'
import { namesWith } from './names.ts'
import type { Client, NewTopic } from './protocol/client.ts'
import type { Registry } from './registry.ts'
import { Topology } from './topology.ts'

const unknown = () => Object.assign(new Error('This server does not host this topic-partition'), { type: 'UNKNOWN_TOPIC_OR_PARTITION' })

test('a broker that does not know a topic yet is asked again how large its records may be', async () => {
  const made: NewTopic[] = []
  const answers = [unknown(), unknown()]
  const client = {
    topics: async () => new Map([['orders', 1]]),
    describe: async () => undefined,
    stateOfNew: async () => undefined,
    leaders: async () => [1],
    async configOf() {
      const thrown = answers.shift()
      if (thrown) throw thrown
      return new Map([['max.message.bytes', '4000000']])
    },
    async create(topics: readonly NewTopic[], how?: { readonly only?: 'look' }) {
      if (how?.only !== 'look') made.push(...topics)
    },
  }
  const registry = { entries: async () => [], declare: async () => {} }
  const topology = new Topology({
    names: namesWith(''),
    prefix: '',
    service: 'shop',
    topics: {},
    clock: systemClock,
    client: client as unknown as Client,
    registry: registry as unknown as Registry,
  })
  const group = { topic: 'orders', group: 'billing', delays: [], deadLetter: { ttlMs: undefined } }
  expect(await topology.ensure({ topics: ['orders'], groups: [group] }, 'create')).toEqual([])
  const place = made.find(({ topic }) => topic === 'orders.billing.dlq')
  expect(place?.config).toMatchObject({ 'max.message.bytes': String(4_000_000 + 64 * 1024) })
})

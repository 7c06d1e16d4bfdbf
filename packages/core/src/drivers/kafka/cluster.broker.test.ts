import { startKafkaCluster } from '@corebus/testbed'
import { afterAll, describe, expect, test } from 'vitest'
import { PublishError } from '../../errors.ts'
import { newId } from '../../wire/id.ts'
import { member, openRoom, until } from './fixtures/room.ts'

const nodes = (await startKafkaCluster()) ?? []
afterAll(() => Promise.all(nodes.map((node) => node.stop())))

const KEYS = 50
const MOST_SILENCE_MS = 15_000

describe.skipIf(nodes.length === 0)('three brokers', () => {
  test.each(['restart', 'kill'] as const)(
    '%s in turn under load: nothing confirmed is lost, order per key holds once repeats are left out, and nobody is silent for 15 s',
    async (fault) => {
      const { topic, group, ...room } = openRoom(nodes.map(({ url }) => url).join(','))
      const driver = await room.connected()
      const reader = await member(driver, { topics: [topic], group, limit: 200, acknowledges: true })
      const confirmed: string[] = []
      const numbers = new Map<string, number>()
      let n = 0
      let over = false
      let silence = 0
      const publishing = (async () => {
        while (!over) {
          const some = Array.from({ length: 20 }, () => {
            const id = newId()
            numbers.set(id, n)
            return { id, topic, key: `k${n++ % KEYS}`, headers: {}, body: Buffer.from(`{"n":${n}}`) }
          })
          const failed = await driver.publish(some).then(
            () => new Set<string>(),
            (error: unknown) => {
              if (!(error instanceof PublishError)) throw error
              return new Set(error.failures.map(({ id }) => id))
            },
          )
          confirmed.push(...some.map(({ id }) => id).filter((id) => !failed.has(id)))
          await new Promise((resolve) => setTimeout(resolve, 20))
        }
      })()
      const watching = (async () => {
        for (let [seen, at] = [0, Date.now()]; !over; ) {
          await new Promise((resolve) => setTimeout(resolve, 100))
          if (reader.deliveries.length > seen) [seen, at] = [reader.deliveries.length, Date.now()]
          silence = Math.max(silence, Date.now() - at)
        }
      })()
      await reader.nth(200)
      for (const node of nodes) {
        const before = confirmed.length
        await node[fault]()
        await until(() => confirmed.length > before + 100, 60_000)
      }
      over = true
      await Promise.all([publishing, watching])
      const seen = () => new Set(reader.ids())
      await until(() => confirmed.every((id) => seen().has(id)), 60_000)

      expect(confirmed.length).toBeGreaterThan(500)
      expect(silence).toBeLessThan(MOST_SILENCE_MS)
      const last = new Map<number, number>()
      const faults: string[] = []
      for (const id of seen()) {
        const number = numbers.get(id) ?? -1
        if (number < (last.get(number % KEYS) ?? -1)) faults.push(`${number} after ${last.get(number % KEYS)}`)
        last.set(number % KEYS, number)
      }
      expect(faults).toEqual([])
      const twice = reader.deliveries.length - seen().size
      expect(twice).toBeLessThanOrEqual(3 * 200 + 3 * 20)
    },
    400_000,
  )
})

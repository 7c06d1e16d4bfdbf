import { afterAll, describe, expect, it } from 'vitest'
import { client } from './demo/client.ts'
import { tellStory } from './demo/story.ts'
import { booted, PATIENCE_MS } from './fixtures/booted.ts'
import { racesOn } from './fixtures/races.ts'
import { differences } from './load/differences.ts'
import { openPlace } from './load/places.ts'

const EXPIRES_AFTER_MS = 8_000

// Redis is in `npm run soak -- ecommerce`.
for (const name of ['RabbitMQ and PostgreSQL', 'Kafka, MariaDB and MongoDB'] as const) {
  const place = await openPlace(name)
  afterAll(() => place?.close())

  describe.skipIf(!place)(`on ${name}`, () => {
    const system = booted({ ...place?.env, ORDER_EXPIRES_AFTER: `${EXPIRES_AFTER_MS}ms` })

    it('the story of the demo happens', { timeout: 4 * PATIENCE_MS }, async () => {
      await tellStory({ system: system().system, expiresAfterMs: EXPIRES_AFTER_MS, tell: () => undefined })
    })
    racesOn(system)
    it('the read model ends as the write side has it', { timeout: 2 * PATIENCE_MS }, async () => {
      await expect.poll(() => differences(client(system().system)), { timeout: PATIENCE_MS, interval: 500 }).toEqual([])
    })
    it('all end with code 0', async () => {
      expect(await system().system.stop()).toEqual([])
    })
  })
}

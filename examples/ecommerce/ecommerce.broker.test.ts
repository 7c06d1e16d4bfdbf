import { broker, startMariadb, startPostgres } from '@corebus/testbed'
import { afterAll, describe, expect, it } from 'vitest'
import { tellStory } from './demo/story.ts'
import { booted, PATIENCE_MS } from './fixtures/booted.ts'
import { racesOn } from './fixtures/races.ts'

const EXPIRES_AFTER_MS = 8_000

/** The three services share one database, as in the seed: each has its own history of migrations, and the outbox is everybody's. */
for (const [name, variable, start] of [
  ['rabbitmq', 'POSTGRES_DSN', startPostgres],
  ['kafka', 'MYSQL_DSN', startMariadb],
] as const) {
  const found = await broker(name)
  const database = found && (await start())
  afterAll(async () => {
    await database?.stop()
    await found?.stop()
  })

  describe.skipIf(!database)(`on ${name}, with ${variable}`, () => {
    const where = { ...found?.env, MESSAGING_BROKER: name, [variable]: database?.url }
    const system = booted({ ...where, ORDER_EXPIRES_AFTER: `${EXPIRES_AFTER_MS}ms` })

    it('the story of the demo happens', { timeout: 4 * PATIENCE_MS }, async () => {
      await tellStory({ system: system().system, expiresAfterMs: EXPIRES_AFTER_MS, tell: () => undefined })
    })
    racesOn(system)
    it('all end with code 0', async () => {
      expect(await system().system.stop()).toEqual([])
    })
  })
}

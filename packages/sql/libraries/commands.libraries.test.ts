import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { expect, inject, test, vi } from 'vitest'
import { makeShop } from '../src/fixtures/shop.ts'

const { postgres } = inject('servers')
const installed = inject('librariesInstalled')

/** A test runs ten processes and more, which on a busy machine take seconds each. */
vi.setConfig({ testTimeout: 180_000 })

const PG = `
import pg from 'pg'
import { pgSession } from '@corebus/sql'
const session = pgSession(new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 3 }))
`

test.skipIf(!postgres || !installed)('the commands use the database of the entry by its own library, here pg on PostgreSQL', async () => {
  const shop = await makeShop({
    session: PG,
    env: { DATABASE_URL: postgres ?? '' },
    modules: { pg: realpathSync(join(import.meta.dirname, 'node_modules', 'pg')) },
  })
  const status = async () => JSON.parse((await shop.core(['outbox', 'status', '--json'])).stdout)
  await shop.produce(['refused', 'k', 1], ['refused', 'k', 2], ['orders', 'a', 3], ['orders', 'late', 4, 3_600_000])
  expect(await status()).toMatchObject({ table: 'outbox', waiting: 3, delayed: 1, dead: 0 })
  const refusing = shop.start(['outbox', 'relay'], { env: { BROKER: 'refuses' } })
  await refusing.says(/outbox relay started/)
  await expect.poll(status, { timeout: 60_000, interval: 200 }).toMatchObject({ waiting: 0, held: 1, dead: 1 })
  expect((await refusing.stop()).code).toBe(0)
  const relay = shop.start(['outbox', 'relay'])
  await relay.says(/outbox relay started/)
  const retried = await shop.core(['outbox', 'retry', '--topic', 'refused'])
  expect(retried.stdout).toBe('1 given to the relay again\n')
  await expect
    .poll(status, { timeout: 60_000, interval: 200 })
    .toMatchObject({ waiting: 0, aside: 0, held: 0, dead: 0, delayed: 1, oldestMs: 0 })
  const ran = await shop.core(['schedule', 'run', 'nightly'])
  expect([ran.code, ran.stdout]).toEqual([0, expect.stringContaining('nightly has run, in ')])
  const [ddl, purged, stopped] = await Promise.all([
    shop.core(['outbox', 'ddl']),
    shop.core(['outbox', 'purge', '--all', '--yes']),
    relay.stop(),
  ])
  expect(ddl.stdout).toMatch(/PARTITION BY LIST/)
  expect([purged.stdout, stopped.code]).toEqual(['no dead messages to delete\n', 0])
})

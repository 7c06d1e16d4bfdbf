import type { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import { makeProject } from '../../../core/test/project.ts'
import { databaseOf, makeShop } from '../fixtures/shop.ts'

/** A test runs ten processes and more, which on a busy machine take seconds each. */
vi.setConfig({ testTimeout: 180_000 })

const waiting = (database: DatabaseSync): number => Number(database.prepare('SELECT count(*) AS n FROM outbox').get()?.n)

describe('core outbox relay', () => {
  test('publishes what is in an outbox that leaves its relay to others, runs no handlers, and ends with 0 at SIGTERM', async () => {
    const shop = await makeShop()
    const database = databaseOf(shop)
    await shop.produce(['orders', 'a', 1], ['orders', 'b', 2])
    const relay = shop.start(['outbox', 'relay', '--health-port', '0'])
    const [, at] = await relay.says(/health at (http:\/\/[^/]+)\/livez/)
    await relay.says(/outbox relay started: pid \d+, from outbox in \S+shop\.db to sqlite/)
    await expect.poll(() => waiting(database), { timeout: 60_000 }).toBe(0)
    // What is written while it runs leaves too.
    await shop.produce(['orders', 'a', 3])
    await expect.poll(() => waiting(database), { timeout: 60_000 }).toBe(0)
    const health = await (await fetch(`${at}/readyz`)).json()
    expect(health).toMatchObject({ live: true, ready: true, groups: [], outbox: { oldestMs: 0 } })
    const { code, stdout, stderr } = await relay.stop()
    expect([code, stderr]).toEqual([0, ''])
    expect(relay.lines.slice(-2).map(({ msg }) => msg)).toEqual(['SIGTERM: stopping', 'stopped'])
    expect(stdout).not.toContain('handled')
    expect(stdout).not.toContain('nightly runs')
    const consumer = shop.start(['consumer'])
    await consumer.says(/(handled [\s\S]*){3}/)
    await consumer.stop()
  })

  test('exits at once at a second signal, and what was on its way is published by the next one', async () => {
    const shop = await makeShop()
    const database = databaseOf(shop)
    await shop.produce(['orders', 'a', 1])
    const relay = shop.start(['outbox', 'relay'], { env: { BROKER: 'silent' } })
    await relay.says(/outbox relay started/)
    relay.signal('SIGTERM')
    await relay.says(/SIGTERM: stopping/)
    await sleep(300) // the length of "at once"
    expect((await relay.stop()).code).toBe(143)
    expect(waiting(database)).toBe(1)
    const next = shop.start(['outbox', 'relay'])
    await expect.poll(() => waiting(database), { timeout: 60_000 }).toBe(0)
    expect((await next.stop()).code).toBe(0)
  })

  test('that makes no turn although rows are due, and broker and database are well, says so and ends with 70', async () => {
    const shop = await makeShop()
    await shop.produce(['orders', 'a', 1])
    const { code, stderr } = await shop.start(['outbox', 'relay'], { env: { BROKER: 'silent', STALLED_MS: '400' } }).result()
    expect(stderr).toMatch(/^error: the relay has done nothing for \d+ s, and rows have been due for \d+ s\n$/)
    expect(code).toBe(70)
  })

  test('that gets no rows, because another one has them, says so once and goes on', async () => {
    const shop = await makeShop()
    const database = databaseOf(shop)
    await shop.produce(['orders', 'a', 1])
    database.exec("UPDATE outbox_parts SET owner = 'another', fence = fence + 1, expires = 9e15 WHERE part = -1")
    const relay = shop.start(['outbox', 'relay'], { env: { STALLED_MS: '400' } })
    await relay.says(/rows have been due for \d+ s, and this relay gets none of them/)
    database.exec('UPDATE outbox_parts SET expires = 0')
    await expect.poll(() => waiting(database), { timeout: 60_000 }).toBe(0)
    const { code, stdout } = await relay.stop()
    expect([code, stdout.match(/gets none of them/g)?.length]).toEqual([0, 1])
  })

  test('without tables says how they are made, and without an outbox what is missing', async () => {
    const shop = await makeShop()
    const database = databaseOf(shop)
    database.exec('DROP TABLE corebus_schema')
    const { code, stderr } = await shop.core(['outbox', 'relay'])
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^error: the tables of outbox are not in .*shop\.db: /)])
    const bare = makeProject({ 'src/main.js': "import '@corebus/core'" }, { packages: ['sql'] })
    const none = await bare.core(['outbox', 'relay', '--entry', 'src/main.js'])
    expect([none.code, none.stderr]).toEqual([
      2,
      'error: the default instance of the entry has no outbox: say configureMessaging({ outbox: sqlOutbox() }) there, or name another file with --entry\n',
    ])
  })
})

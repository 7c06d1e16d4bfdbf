import { hostname } from 'node:os'
import { expect, test, vi } from 'vitest'
import { databaseOf, makeShop } from '../fixtures/shop.ts'

/** A test runs ten processes and more, which on a busy machine take seconds each. */
vi.setConfig({ testTimeout: 180_000 })

test('core schedule list shows what the code and the database know, and run runs one under its lease', async () => {
  const shop = await makeShop()
  const list = async () =>
    JSON.parse((await shop.core(['schedule', 'list', '--json'])).stdout) as readonly Readonly<Record<string, unknown>>[]
  const hourly = expect.objectContaining({ name: 'hourly', event: 'ticked', timeZone: 'UTC' })
  const next = expect.stringMatching(/T0[12]:00:00\.000Z$/)
  const nightly = { name: 'nightly', cron: '0 3 * * *', timeZone: 'Europe/Berlin', event: null, registered: true, next }
  expect(await list()).toEqual([hourly, { ...nightly, last: null, failed: null, running: null }])

  const ran = await shop.core(['schedule', 'run', 'nightly'])
  expect([ran.code, ran.stdout]).toEqual([0, expect.stringMatching(/nightly runs\n[\s\S]*nightly has run, in \d+ ms\n$/)])
  expect(await list()).toEqual([hourly, { ...nightly, last: expect.stringMatching(/Z$/), failed: null, running: null }])

  const failed = await shop.core(['schedule', 'run', 'nightly'], { env: { WORK: 'fails' } })
  expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining('error: schedule nightly has failed: no report, password=***')])
  // An event is written into the outbox, and nothing of this process publishes it.
  const event = await shop.core(['schedule', 'run', 'hourly'])
  expect([event.code, event.stdout]).toEqual([0, expect.stringContaining('hourly: ticked is in the outbox\n')])
  const waiting = JSON.parse((await shop.core(['outbox', 'list', '--json'])).stdout)
  expect(waiting.messages).toMatchObject([{ state: 'waiting', topic: 'ticks', event: 'ticked' }])
  const table = await shop.core(['schedule', 'list'])
  expect(table.stdout.split('\n')[0]?.split(/ {2,}/)).toEqual(['NAME', 'CRON', 'ZONE', 'NEXT', 'LAST', 'RUNNING', 'NOTE'])
  expect(table.stdout).toContain('failed: no report, password=***')
})

test('core schedule run is refused while it runs elsewhere, which list shows, and gives its lease back when it is stopped', async () => {
  const shop = await makeShop()
  const running = shop.start(['schedule', 'run', 'nightly'], { env: { WORK: 'waits' } })
  await running.says(/nightly runs/)
  const [, { running: where }] = JSON.parse((await shop.core(['schedule', 'list', '--json'])).stdout)
  expect(where).toEqual({ host: hostname(), pid: running.pid, until: expect.stringMatching(/Z$/) })
  const second = await shop.core(['schedule', 'run', 'nightly'])
  expect([second.code, second.stderr]).toEqual([1, expect.stringMatching(/error: schedule nightly runs already on \S+, process \d+: /)])
  const stopped = await running.stop()
  expect([stopped.code, stopped.stderr]).toEqual([1, expect.stringContaining('schedule nightly did not come to its end')])
  expect((await shop.core(['schedule', 'run', 'nightly'])).code).toBe(0)
})

test('core schedule run names the schedules that there are, and list those that no code has any more', async () => {
  const shop = await makeShop()
  const { code, stderr } = await shop.core(['schedule', 'run', 'nigthly'])
  expect([code, stderr]).toEqual([2, expect.stringContaining('error: the entry registers no schedule nigthly; there are nightly, hourly')])
  databaseOf(shop).exec(
    "INSERT INTO schedules (name, owner, fence, expires, cron, zone, due) VALUES ('old', '', 0, 0, '* * * * *', 'UTC', 1)",
  )
  const { stdout } = await shop.core(['schedule', 'list'])
  expect(stdout).toMatch(/^old .*not in this code$/m)
})

import { createHook } from 'node:async_hooks'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { createMessaging } from '../messaging.ts'
import { testApp } from './index.ts'

/** A service with two groups, the first of which fails five times before it hands on. */
function relaying() {
  const messaging = createMessaging({ service: 'relay', env: {} })
  messaging.handle({ topic: 'in', group: 'relay', maxRetries: 8 }, async (_, { attempt, send }) => {
    if (attempt <= 5) throw new Error('the database is away')
    await send('out', 1)
  })
  messaging.handle({ topic: 'out', group: 'sink' }, () => undefined)
  return messaging
}

/** The timers that begin while work runs: those of Node are resources that it tells of. */
async function timersDuring(work: () => Promise<unknown>): Promise<number> {
  let timers = 0
  const hook = createHook({
    init(_id, type) {
      if (type === 'Timeout') timers++
    },
  }).enable()
  await work().finally(() => hook.disable())
  return timers
}

test('a cascade with five delayed retries waits for no real timer', async () => {
  await using app = await testApp({ messaging: relaying() })
  const cascade = async () => {
    await app.publish('in', 1)
    await app.settled()
  }
  expect(await timersDuring(() => new Promise((resolve) => setTimeout(resolve, 1)))).toBe(1)
  expect(await timersDuring(cascade)).toBe(0)
  expect(app.retries('in').map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4, 5])
  expect(app.handled('out')).toHaveLength(1)
})

test('a thousand apps one after another leave nothing behind', { timeout: 120_000 }, async () => {
  const script = join(import.meta.dirname, 'fixtures/thousand-apps.ts')
  const options = { env: { PATH: process.env.PATH } }
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', '--import', 'tsx', script], options)
  const { alive, grownBytes } = JSON.parse(stdout) as { readonly alive: number; readonly grownBytes: number }
  // The last one is still held by its instance.
  expect(alive).toBeLessThanOrEqual(2)
  // Each has had two messages of 10 kB: had they stayed, it would be 16 MB.
  expect(grownBytes).toBeLessThan(4_000_000)
})

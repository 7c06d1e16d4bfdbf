import { expect, test } from 'vitest'
import type { Admin } from '../driver.ts'
import { createMessaging } from '../messaging.ts'
import { newId } from '../wire/id.ts'
import { replayDeadLetters } from './replay.ts'

const COUNT = 1_234

test('replays every letter once, far more than are read at once, though each fails again', async () => {
  const messaging = createMessaging({ broker: 'memory', url: `memory://${newId()}`, service: 'test', env: { LOG_LEVEL: 'silent' } })
  let calls = 0
  messaging.handle({ topic: 'orders', group: 'broken', maxRetries: 0 }, () => {
    calls++
    throw new Error('still broken')
  })
  await messaging.start()
  await messaging.getProducer().sendAll(
    'orders',
    Array.from({ length: COUNT }, (_, n) => ({ message: { n } })),
  )
  const { admin } = await messaging.driver()
  await expect.poll(async () => (await admin.depth('orders', 'broken')).dead, { timeout: 10_000 }).toBe(COUNT)

  const replayed = await replayDeadLetters(admin, { topic: 'orders' })

  await expect.poll(async () => (await admin.depth('orders', 'broken')).dead, { timeout: 10_000 }).toBe(COUNT)
  expect(replayed).toBe(COUNT)
  expect(calls).toBe(2 * COUNT)
  await messaging.close()
})

test('a rate is kept: a hundred a second means a second between batches of a hundred', async () => {
  const waits: number[] = []
  const clock = {
    now: () => 0,
    after(ms: number, fn: () => void) {
      waits.push(ms)
      setImmediate(fn)
      return () => {}
    },
  }
  expect(await replayDeadLetters(adminOf([100, 100, 50]), {}, { perSecond: 100, clock })).toBe(250)
  expect(waits).toEqual([1_000, 1_000])
})

/** Only what a replay asks for: hands back so many together as a driver does that is asked for a hundred. */
function adminOf(batches: readonly number[]): Admin {
  const replay: Admin['replay'] = async (_filter, _headers, { atOnce, turn, onReplayed } = {}) => {
    expect(atOnce).toBe(100)
    for (const count of batches) {
      await turn?.()
      onReplayed?.(count)
    }
    return batches.reduce((sum, count) => sum + count, 0)
  }
  return { replay } as unknown as Admin
}

import { expect, test } from 'vitest'
import type { Admin, DeadLetter } from '../driver.ts'
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
  const letters = Array.from({ length: 250 }, (_, n) => letter(`m${n}`))
  const waits: number[] = []
  const clock = {
    now: () => 0,
    after(ms: number, fn: () => void) {
      waits.push(ms)
      setImmediate(fn)
      return () => {}
    },
  }
  const admin = adminOf(letters)
  expect(await replayDeadLetters(admin, {}, { perSecond: 100, clock })).toBe(250)
  expect(waits).toEqual([1_000, 1_000])
})

function letter(id: string): DeadLetter {
  return { message: { id, topic: 't', headers: {}, body: new Uint8Array() }, group: 'g', place: 't.g.dlq', at: 0 }
}

/** Only what a replay asks for: the letters leave as they are replayed. */
function adminOf(letters: DeadLetter[]): Admin {
  return {
    deadLetters: async (_filter: unknown, { limit = 0 } = {}) => letters.slice(0, limit),
    replay: async ({ ids = [] }: { ids?: readonly string[] }) => {
      const before = letters.length
      letters.splice(0, letters.length, ...letters.filter(({ message }) => !ids.includes(message.id)))
      return before - letters.length
    },
  } as unknown as Admin
}

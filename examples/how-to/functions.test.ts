import { afterAll, expect, test, vi } from 'vitest'
import { UserCreated } from './events.ts'

// The page shows the default instance, which reads the environment when it is made.
vi.stubEnv('MESSAGING_BROKER', 'memory')
vi.stubEnv('LOG_LEVEL', 'silent')
const { emails, messaging } = await import('./functions.ts')
afterAll(() => messaging.close())

test('handlers given as functions run, with the session they were promised', async () => {
  const charged = vi.spyOn(globalThis, 'fetch').mockResolvedValue(new Response())
  await messaging.start()
  await messaging.publishEvent(UserCreated, { id: 1, email: 'ana@example.com' })
  await messaging.getProducer().send('payments.process', { order_id: 7, amount: 12, card_token: 'tok' })
  await messaging.getProducer().send('orders.updated', { order_id: 7 })
  await expect.poll(() => messaging.counters.handled).toBe(3)
  expect(emails.get(1)).toBe('ana@example.com')
  expect(charged).toHaveBeenCalledOnce()
})

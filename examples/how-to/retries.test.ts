import { randomUUID } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { CHANNEL, createMessaging, type SettleRecord } from '@corebus/core'
import { expect, test } from 'vitest'
import { type Gateway, registerRetries } from './retries.ts'

const GROUPS = ['fixed', 'exponential', 'retry-if', 'verdicts']

/** What each group does with the first failure. */
async function firstSettlements(answer: Awaited<ReturnType<Gateway>>): Promise<Record<string, Partial<SettleRecord>>> {
  const messaging = createMessaging({
    broker: 'memory',
    url: `memory://${randomUUID()}`,
    service: 'payments',
    env: { LOG_LEVEL: 'silent' },
  })
  registerRetries(messaging, async () => answer)
  await messaging.start()
  const settled: Record<string, Partial<SettleRecord>> = {}
  await new Promise<void>((resolve) => {
    subscribe(CHANNEL.settle, function told(record) {
      const { group = '', settlement, afterMs, reason } = record as SettleRecord
      settled[group] = { settlement, ...(afterMs !== undefined && { afterMs }), ...(reason !== undefined && { reason }) }
      if (Object.keys(settled).length < GROUPS.length) return
      unsubscribe(CHANNEL.settle, told)
      resolve()
    })
    void messaging.getProducer().send('payments.process', { order_id: 7, amount: 12, card_token: 'tok' }) // its failure would be the test's time-out
  })
  await messaging.close()
  return settled
}

test('a busy gateway is tried again as each policy says', async () => {
  const { exponential, ...others } = await firstSettlements('busy')
  expect(others).toEqual({
    fixed: { settlement: 'retry', afterMs: 5_000 },
    'retry-if': { settlement: 'retry', afterMs: expect.any(Number) },
    verdicts: { settlement: 'retry', afterMs: 60_000 },
  })
  expect(exponential?.afterMs).toBeGreaterThanOrEqual(1_000)
  expect(exponential?.afterMs).toBeLessThanOrEqual(1_200)
})

test('a declined card is not tried again where the policy or the handler says so', async () => {
  expect(await firstSettlements('declined')).toMatchObject({
    fixed: { settlement: 'retry', afterMs: 5_000 },
    'retry-if': { settlement: 'deadLetter', reason: 'failed' },
    verdicts: { settlement: 'deadLetter', reason: 'rejected' },
  })
})

test('a charge that succeeds is acknowledged by all', async () => {
  expect(Object.values(await firstSettlements('charged'))).toEqual(GROUPS.map(() => ({ settlement: 'ack' })))
})

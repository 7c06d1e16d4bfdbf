import { randomUUID } from 'node:crypto'
import { createMessaging, Reject } from '@corebus/core'
import { expect, test } from 'vitest'
import { besideTheShop, countByError, listFailedPayments, pagingService, retryFailedPayments } from './dead-letters.ts'
import { Charge } from './events.ts'
import { nextSettlement } from './settlement.ts'

test('a dead letter is listed with its error, and handled when it is retried', async () => {
  let open = false
  const messaging = createMessaging({
    broker: 'memory',
    url: `memory://${randomUUID()}`,
    service: 'payments',
    env: { LOG_LEVEL: 'silent' },
  })
  messaging.handle({ topic: 'payments.process', group: 'payments', schema: Charge, maxRetries: 0 }, () => {
    if (!open) throw new Error('the gateway is closed')
  })
  await messaging.start()

  const buried = nextSettlement()
  await messaging.getProducer().send('payments.process', { order_id: 7, amount: 12, card_token: 'tok' }, { id: 'charge-7' })
  expect((await buried).settlement).toBe('deadLetter')
  await expect
    .poll(() => listFailedPayments(messaging))
    .toEqual([expect.stringMatching(/Z charge-7 failed after 1 calls: the gateway is closed$/)])

  expect(await countByError(messaging)).toEqual(new Map([['the gateway is closed', 1]]))

  open = true
  const settled = nextSettlement()
  expect(await retryFailedPayments(messaging)).toBe(1)
  expect(await settled).toMatchObject({ settlement: 'ack', attempt: 1, id: 'charge-7' })
  expect(await listFailedPayments(messaging)).toEqual([])
  await messaging.close()
})

test('whoever is on call is told of a dead letter', async () => {
  const pages: string[] = []
  const page = async (text: string) => void pages.push(text)
  const messaging = pagingService(page, { broker: 'memory', url: `memory://${randomUUID()}`, env: { LOG_LEVEL: 'silent' } })
  messaging.handle({ topic: 'payments.process', group: 'payments', schema: Charge, maxRetries: 0 }, () => {
    throw new Error('the gateway is closed')
  })
  await messaging.start()
  await messaging.getProducer().send('payments.process', { order_id: 7, amount: 12, card_token: 'tok' }, { id: 'charge-7' })
  await expect.poll(() => pages).toEqual(['payments gave up on charge-7 of payments.process (failed): the gateway is closed'])
  await messaging.close()
})

test('on memory what goes to others is kept in the place of its topic', async () => {
  const messaging = createMessaging({ broker: 'memory', url: `memory://${randomUUID()}`, service: 'billing', env: { LOG_LEVEL: 'silent' } })
  besideTheShop(messaging, async () => {
    throw new Reject('no such card')
  })
  await messaging.start()
  await messaging.getProducer().send('billing', { order_id: 7, amount: 12, card_token: 'tok' })
  await expect.poll(() => messaging.counters.dead).toBe(1)
  const { admin } = await messaging.driver()
  expect((await admin.deadLetters({ topic: 'billing' })).letters.map(({ place }) => place)).toEqual(['billing.billing.dlq'])
  await messaging.close()
})

import { AsyncLocalStorage } from 'node:async_hooks'
import { expect, test } from 'vitest'
import { collector, onMemory, until } from '../../test/kit.ts'
import type { DeadLetterNotice } from './dead-letter-calls.ts'

const failing = () => {
  throw Object.assign(new Error('card declined'), { code: 'ECARD' })
}

test('onDeadLetter is told of what is stored by then, with all that names it', async () => {
  const told: { notice: DeadLetterNotice; stored: number }[] = []
  const messaging = onMemory({
    maxRetries: 0,
    async onDeadLetter(notice) {
      const { admin } = await messaging.driver()
      told.push({ notice, stored: (await admin.deadLetters({ ids: [notice.id] })).letters.length })
    },
  })
  messaging.on('order.paid', { group: 'billing', topic: 'orders' }, failing)
  messaging.handle({ topic: 'orders', group: 'fine' }, () => {})
  messaging.handle({ topic: 'orders', group: 'drops', deadLetter: false }, failing)
  await messaging.start()
  await messaging.publishEvent('order.paid', { n: 1 }, { topic: 'orders', id: 'm1', correlationId: 'c1' })
  await until(
    () => told.length > 0 && messaging.counters.dropped === 1,
    () => messaging.counters,
  )
  await messaging.close()
  expect(told).toEqual([
    {
      notice: {
        topic: 'orders',
        group: 'billing',
        id: 'm1',
        event: 'order.paid',
        attempts: 1,
        reason: 'failed',
        code: 'ECARD',
        error: expect.objectContaining({ message: 'card declined' }),
        correlationId: 'c1',
      },
      stored: 1,
    },
  ])
})

test('what it throws is logged and touches no message, and nothing waits for it', async () => {
  const { logger, lines } = collector('error')
  const storage = new AsyncLocalStorage<string>()
  const seen: (string | undefined)[] = []
  const messaging = onMemory({
    logger,
    maxRetries: 0,
    onDeadLetter({ id }) {
      seen.push(storage.getStore())
      if (id === 'm1') throw new Error('no pager')
      return new Promise(() => {})
    },
    shutdownMs: 200,
  })
  messaging.handle({ topic: 't', group: 'g' }, () => storage.run('of the handler', failing))
  await messaging.start()
  await storage.run('of the caller', () =>
    messaging.getProducer().sendAll('t', [
      { message: 1, id: 'm1' },
      { message: 2, id: 'm2' },
    ]),
  )
  await until(
    () => messaging.counters.dead === 2 && seen.length === 2,
    () => [messaging.counters, seen],
  )
  await messaging.getProducer().send('t', 3, { id: 'm3' })
  await until(
    () => messaging.counters.dead === 3,
    () => messaging.counters,
  )
  expect(seen.slice(0, 2)).toEqual([undefined, undefined])
  const said = lines.filter(({ msg }) => msg.startsWith('onDeadLetter'))
  expect(said).toEqual([
    expect.objectContaining({ id: 'm1', msg: 'onDeadLetter failed for message m1 from t, which is a dead letter: no pager' }),
  ])
  // Two calls never end: the close waits for them no longer than it may.
  await messaging.close()
})

test('a close waits for those that run', async () => {
  let paged = false
  const begun = Promise.withResolvers<void>()
  const messaging = onMemory({
    maxRetries: 0,
    async onDeadLetter() {
      begun.resolve()
      await new Promise((resolve) => setTimeout(resolve, 100))
      await messaging.getProducer().send('alarms', 'dead')
      paged = true
    },
  })
  messaging.handle({ topic: 't', group: 'g' }, failing)
  await messaging.start()
  await messaging.getProducer().send('t', 1)
  await begun.promise
  await messaging.close()
  expect(paged).toBe(true)
})

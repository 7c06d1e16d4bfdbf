import '@ecommerce/platform/in-memory'
import { testApp } from '@corebus/core/testing'
import { UserCreated } from '@ecommerce/contracts'
import { expect, test } from 'vitest'
import '../consumer.ts'
import { isCustomer } from '../command/repository/customers.ts'

const ana = { id: 9, name: 'Ana', email: 'ana@exemplo.com', version: 1, created_at: '2026-01-01T00:00:00.000Z' }

test('a handler that fails is called again after 1, 2, 4, 8 and 16 s; its message is then in <topic>.dlq, and can be handed back', async () => {
  await using app = await testApp({ now: 0 })
  app.fail('SagaEvents.remember', new Error('the database is away'), { times: 6 })
  await app.publish(UserCreated, ana)
  await app.settled()

  const calls = [...app.retries(UserCreated), ...app.deadLetters(UserCreated)]
  expect(calls.map(({ at }) => at / 1_000)).toEqual([0, 1, 3, 7, 15, 31])
  expect(app.retries(UserCreated).map(({ afterMs }) => afterMs / 1_000)).toEqual([1, 2, 4, 8, 16])
  expect(app.deadLetters()).toMatchObject([{ event: 'user.created', attempts: 6, error: { message: 'the database is away' } }])
  const { admin } = await app.messaging.driver()
  const { letters } = await admin.deadLetters({}, { limit: 10 })
  expect(letters).toMatchObject([{ group: 'order-service', place: 'user.created.dlq' }])

  await app.redrive()
  await app.settled()
  expect(app.deadLetters()).toEqual([])
  expect(await isCustomer(ana.id)).toBe(true)
})

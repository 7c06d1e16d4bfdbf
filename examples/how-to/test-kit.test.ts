// #region ten-lines
import { testApp } from '@corebus/core/testing'
import { expect, test } from 'vitest'
import { UserCreated } from './events.ts'
import { OrderCreated, orders } from './test-kit-service.ts' // the service's own module, whatever broker it names

test('a new user gets a welcome order', async () => {
  const app = await testApp()
  await app.publish(UserCreated, { id: 1, email: 'ana@example.com' })
  await app.settled()
  expect(app.published(OrderCreated)).toMatchObject([{ data: { user_id: 1 } }])
  await app.close()
})
// #endregion ten-lines

// #region failure
test('an order waits half an hour for the database, and nobody waits for that', async () => {
  await using app = await testApp()
  app.fail([orders, 'add'], new Error('the database is away'), { times: 2 })
  await app.publish(UserCreated, { id: 1, email: 'ana@example.com' })
  await app.settled()
  expect(app.retries(UserCreated)).toMatchObject([
    { attempt: 1, afterMs: 1_800_000, error: { message: 'the database is away' } },
    { attempt: 2, afterMs: 1_800_000 },
  ])
  expect(app.handled(UserCreated, { group: 'orders' })).toMatchObject([{ attempt: 3 }])
})

test('what fails too often is a dead letter, which can be handed back', async () => {
  await using app = await testApp()
  app.fail('welcomeOrder', new Error('a bug'), { times: 6 })
  await app.publish(UserCreated, { id: 1, email: 'ana@example.com' })
  await app.settled()
  expect(app.deadLetters()).toMatchObject([{ group: 'orders', attempts: 6, reason: 'failed', error: { message: 'a bug' } }])
  await app.redrive()
  await app.settled()
  expect(app.deadLetters()).toEqual([])
})
// #endregion failure

// #region time
test('an order that failed is not made before its time', async () => {
  await using app = await testApp({ now: Date.UTC(2026, 0, 1, 12) })
  app.fail('welcomeOrder', new Error('the database is away'), { times: 1 })
  await app.publish(UserCreated, { id: 1, email: 'ana@example.com' })
  await app.advance('29m')
  expect(app.handled(UserCreated)).toEqual([])
  await app.advance('1m')
  expect(app.handled(UserCreated)).toMatchObject([{ at: Date.UTC(2026, 0, 1, 12, 30) }])
})
// #endregion time

// #region foreign
test('what others write wrongly goes to the dead letters, and what we do not know is skipped', async () => {
  await using app = await testApp()
  await app.raw('user-events', '{"name":"user.created","data":{"id":"one"},"timestamp":"","source":"php"}', { tenant: 'a' })
  await app.raw('user-events', '{"name":"user.renamed","data":{},"timestamp":"","source":"php"}')
  await app.settled()
  expect(app.deadLetters()).toMatchObject([{ reason: 'schema', data: { id: 'one' } }])
  expect(app.skipped()).toMatchObject([{ event: 'user.renamed' }])
})
// #endregion foreign

// #region all
import { testApp } from '@corebus/core/testing'
import { expect, test } from 'vitest'
import { UserCreated } from './events.ts'
import { app as hono } from './front-door-functions.ts'

test('a user who registers is welcomed', async () => {
  const app = await testApp({ hono })
  expect((await app.request('/users/register', { method: 'POST' })).status).toBe(201)
  await app.settled()
  expect(app.published(UserCreated)).toMatchObject([{ data: { email: 'ana@example.com' } }])
  expect(app.handled(UserCreated, { group: 'welcome' })).toHaveLength(1)
  await app.close()
})
// #endregion all

// #region all
import { emit, on } from '@corebus/core'
import { requestScope } from '@corebus/hono'
import { Hono } from 'hono'
import { UserCreated } from './events.ts'

export const app = new Hono().use(requestScope()).post('/users/register', (c) => {
  const user = { id: 1, email: 'ana@example.com' }
  emit(UserCreated, user) // once the response is out
  return c.json(user, 201)
})

on(UserCreated, { group: 'welcome' }, ({ data }) => {
  console.log(`welcome, ${data.email}`)
})
// #endregion all

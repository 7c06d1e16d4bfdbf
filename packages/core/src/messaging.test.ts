import { expect, test } from 'vitest'
import { z } from 'zod'
import { onMemory, until } from '../test/kit.ts'
import { defineEvent } from './event-type.ts'

const UserCreated = defineEvent('user.created', z.object({ id: z.number(), email: z.string() }), { topic: 'user-events', key: 'id' })

test('an event reaches its handler, decoded', async () => {
  const messaging = onMemory()
  const seen: unknown[] = []
  messaging.on(UserCreated, { group: 'orders' }, (event, { attempt, key, topic, group }) => void seen.push([event, attempt, key, topic, group]))
  await messaging.start()
  await messaging.publishEvent(UserCreated, { id: 1, email: 'a@b.io' })
  await until(() => seen.length > 0, () => seen)
  expect(seen).toEqual([[expect.objectContaining({ name: 'user.created', data: { id: 1, email: 'a@b.io' }, source: 'test' }), 1, '1', 'user-events', 'orders']])
})

import { publishEvent } from '@corebus/core'
import { expect, test } from 'vitest'
import { messaging } from './messaging.ts'
import { UserCreated } from './orders.ts'

test('a test that forgot the kit does not reach the broker of the service', async () => {
  const refused = await publishEvent(UserCreated, { id: 7 }).catch((error: Error) => error)
  expect(String(refused)).toMatch(/this is a test \(Vitest\).*@corebus\/core\/testing/)
  await messaging.close()
})

import { publishEvent } from '@corebus/core'
import { expect, test } from '@jest/globals'
import { messaging } from './messaging'
import { UserCreated } from './orders'

test('a test that forgot the kit does not reach the broker of the service', async () => {
  const refused = await publishEvent(UserCreated, { id: 7 }).catch((error: Error) => error)
  expect(String(refused)).toMatch(/this is a test \(Jest\).*@corebus\/core\/testing/)
  await messaging.close()
})

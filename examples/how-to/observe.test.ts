import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'observe-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

// #region observe
import { createMessaging } from '@corebus/core'
import { observe } from '@corebus/core/testing'
import { expect, test } from 'vitest'
import { UserCreated } from './events.ts'

test('a user is welcomed, on a broker that keeps what it has', async () => {
  const messaging = createMessaging({
    broker: 'sqlite',
    url: join(folder, 'messages.db'),
    service: 'orders-api',
    logLevel: 'warn',
  })
  messaging.on(UserCreated, { group: 'orders' }, () => undefined)
  using spy = await observe(messaging)
  await messaging.start()
  await messaging.publishEvent(UserCreated, { id: 1, email: 'ana@example.com' })
  expect(await spy.handled(UserCreated, { id: 1 })).toMatchObject({ group: 'orders', attempt: 1 })
  await messaging.close()
})
// #endregion observe

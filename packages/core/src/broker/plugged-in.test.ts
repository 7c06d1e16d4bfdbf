import { expect, test } from 'vitest'
import { onMemory, until } from '../../test/kit.ts'
import { memoryDriver } from '../drivers/memory/driver.ts'
import { createMessaging } from '../messaging.ts'
import { newId } from '../wire/id.ts'

test('a driver of somebody else’s runs what ours runs, and is told what was configured', async () => {
  const given: unknown[] = []
  const messaging = onMemory({
    broker: undefined as never,
    url: `memory://${newId()}`,
    prefix: 'shop.',
    auth: { username: 'u', password: 'secret' },
    driver: async (options) => {
      const { clock: _, ...rest } = options
      given.push(rest)
      return { ...memoryDriver(options), name: 'theirs' }
    },
  })
  const seen: unknown[] = []
  messaging.handle({ topic: 't', group: 'g' }, (message: unknown) => void seen.push(message))
  await messaging.start()
  await messaging.getProducer().send('t', 1)
  await until(
    () => seen.length === 1,
    () => messaging.counters,
  )
  expect(given).toEqual([
    {
      url: expect.stringMatching(/^memory:/),
      service: 'test',
      prefix: 'shop.',
      publishTimeoutMs: 10_000,
      durability: 'normal',
      tls: false,
      auth: { username: 'u', password: 'secret' },
    },
  ])
  expect(messaging.settings).toMatchObject({ broker: 'custom', where: expect.stringMatching(/^memory:/) })
})

test('a driver and a broker are one too many, and one that cannot be made says why', async () => {
  const driver = () => {
    throw new Error('no such broker')
  }
  expect(() => createMessaging({ driver, broker: 'memory', service: 's', env: {} })).toThrow(
    /broker does nothing with a driver of your own/,
  )
  const messaging = createMessaging({ driver, service: 's', env: { LOG_LEVEL: 'silent', MESSAGING_BROKER: 'kafka' } })
  await expect(messaging.getProducer().send('t', 1)).rejects.toThrow(/no such broker/)
  await messaging.close()
})

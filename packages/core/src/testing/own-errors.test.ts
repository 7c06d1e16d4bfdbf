import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { z } from 'zod'
import { defaultMessaging, on, publishEvent } from '../default.ts'
import { createMessaging } from '../messaging.ts'
import { registry } from '../process/registry.ts'
import { defineEvent } from '../wire/event-type.ts'
import { testApp } from './index.ts'

const Placed = defineEvent('order.placed', z.object({ id: z.number() }), { topic: 'orders' })
let handler: (data: { id: number }) => unknown = () => undefined
on(Placed, { group: 'bills' }, function bill({ data }) {
  return handler(data)
})

afterEach(() => {
  handler = () => undefined
})

describe('a forgotten await', () => {
  test('of a call is said by who reads what came of it, with the line', async () => {
    const app = await testApp()
    const publishing = app.publish(Placed, { id: 1 })
    expect(() => app.published(Placed)).toThrow(
      expect.objectContaining({
        code: 'TEST_NOT_AWAITED',
        message: expect.stringMatching(/app\.publish\(\) at .*own-errors\.test\.ts:\d+ is not over.*write await app\.publish/),
      }),
    )
    await publishing
    expect(app.published(Placed)).toHaveLength(1)
    await app.settled()
    await app.close()
  })

  test('of settled, or none at all, is said by who asks what was handled: an empty list would prove nothing', async () => {
    await using app = await testApp()
    await app.publish(Placed, { id: 1 })
    for (const read of [() => app.handled(), () => app.skipped(), () => app.retries(), () => app.deadLetters()])
      expect(read).toThrow(expect.objectContaining({ code: 'TEST_NOT_AWAITED', message: expect.stringContaining('await app.settled()') }))
    await app.settled()
    expect(app.handled()).toHaveLength(1)
  })

  test('is said by close, which closes all the same', async () => {
    const app = await testApp()
    const settling = app.settled()
    await expect(app.close()).rejects.toMatchObject({ code: 'TEST_NOT_AWAITED', message: expect.stringContaining('app.settled()') })
    await settling.catch(() => undefined)
    await (await testApp()).close()
  })

  test('of testApp itself is said by whatever is called on the promise', async () => {
    const promise = testApp()
    expect(() => (promise as unknown as { settled(): void }).settled()).toThrow(
      expect.objectContaining({ code: 'TEST_NOT_AWAITED', message: expect.stringContaining('await testApp()') }),
    )
    await (await promise).close()
  })
})

test('two apps of one instance at a time are refused, with the place of the first', async () => {
  const app = await testApp()
  await expect(testApp()).rejects.toMatchObject({
    code: 'TEST_APP_OPEN',
    message: expect.stringMatching(/own-errors\.test\.ts:\d+ .*close it before the next one/),
  })
  await app.close()
  await (await testApp()).close()
})

test('a handler that never ends is named by settled within a second or so, with its message; close waits for nobody', async () => {
  handler = () => new Promise(() => undefined)
  const app = await testApp({ patienceMs: 100 })
  await app.publish(Placed, { id: 1 }, { id: 'm-1' })
  const failure = await app.settled().catch((error: Error) => error)
  expect(failure).toMatchObject({
    code: 'TEST_NOT_SETTLED',
    message: expect.stringMatching(/bill \(on\(order\.placed\)\) at .* has not ended, on message m-1 of orders, for \d+ ms/),
  })
  expect((failure as Error).message).toContain('published   order.placed to orders (m-1)')
  await app.close()
})

test('a real timer inside of a handler is guessed', async () => {
  // More than the test runner opens and ends meanwhile.
  const timers: NodeJS.Timeout[] = []
  onTestFinished(() => timers.forEach(clearTimeout))
  handler = () =>
    new Promise((resolve) => {
      for (let n = 0; n < 5; n++) timers.push(setTimeout(resolve, 60_000))
    })
  await using app = await testApp({ patienceMs: 50 })
  await app.publish(Placed, { id: 1 })
  await expect(app.settled()).rejects.toThrow(
    /Time that a handler waits for itself is real time.*opened since the app began: a real timer\)/,
  )
})

test('a real socket inside of a handler is guessed', async () => {
  const server = createServer(() => undefined).listen(0)
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const asking = new AbortController()
  handler = async () => {
    await fetch(`http://localhost:${(server.address() as AddressInfo).port}`, { signal: asking.signal }).catch(() => undefined)
  }
  await using app = await testApp({ patienceMs: 300 })
  await app.publish(Placed, { id: 1 })
  await expect(app.settled()).rejects.toThrow(/opened since the app began: .*a real socket/)
  asking.abort()
})

test('a handler that takes real time is waited for as long as something moves', async () => {
  let done = 0
  handler = async () => {
    await new Promise((resolve) => setTimeout(resolve, 30))
    done++
  }
  await using app = await testApp()
  await app.publish(Placed, { id: 1 })
  await app.settled()
  expect(done).toBe(1)
})

test('what is asked of an app that is closed says so', async () => {
  const app = await testApp()
  await app.close()
  await app.close()
  for (const call of [() => app.publish(Placed, { id: 1 }), () => app.settled(), () => app.advance('1s'), () => app.redrive()])
    await expect(call()).rejects.toMatchObject({ code: 'CLOSED', message: expect.stringContaining('testApp() makes a new one') })
  await expect(publishEvent(Placed, { id: 1 })).rejects.toMatchObject({ code: 'CLOSED' })
})

test('time that cannot pass is refused', async () => {
  await using app = await testApp()
  await expect(app.advance('10 minutes' as never)).rejects.toMatchObject({ code: 'OPTION', message: expect.stringContaining("'10m'") })
})

test('an instance that was made before the kit was imported is refused, with its place', async () => {
  const kit = registry.testKit
  registry.testKit = undefined
  const early = createMessaging({ broker: 'memory', url: 'memory://early', service: 's', env: {}, logLevel: 'silent' })
  registry.testKit = kit
  await expect(testApp({ messaging: early })).rejects.toMatchObject({
    code: 'TEST_KIT_LATE',
    message: expect.stringContaining("Import '@corebus/core/testing' before"),
  })
  await early.close()
})

test('an instance that is made in a test has the broker that its call names', async () => {
  const named = createMessaging({ broker: 'memory', url: 'memory://named', service: 's', env: {}, logLevel: 'silent' })
  expect(named.settings.broker).toBe('memory')
  const unnamed = createMessaging({ service: 's', env: { MESSAGING_BROKER: 'kafka', KAFKA_BOOTSTRAP_SERVERS: 'nowhere:1' } })
  expect((await unnamed.driver()).name).toBe('memory')
  expect(defaultMessaging().settings.where).not.toContain('kafka')
  await Promise.all([named.close(), unnamed.close()])
})

test('an endless cascade is an error, and not a test that hangs', async () => {
  vi.useFakeTimers()
  await using app = await testApp({ mostMessages: 500 })
  handler = ({ id }) => publishEvent(Placed, { id: id + 1 })
  await app.publish(Placed, { id: 1 })
  await expect(app.settled()).rejects.toThrow(/there is no end to them/)
  handler = () => undefined
  vi.useRealTimers()
})

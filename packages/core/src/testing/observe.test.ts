import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import type { MessagingOptions } from '../config/messaging-options.ts'
import { createMessaging } from '../messaging.ts'
import { defineEvent } from '../wire/event-type.ts'
import { newId } from '../wire/id.ts'
import { observe } from './index.ts'

const Placed = defineEvent('order.placed', z.object({ id: z.number(), lines: z.array(z.string()) }), { topic: 'orders' })

function onFile(): MessagingOptions {
  const folder = mkdtempSync(join(tmpdir(), 'corebus-observe-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return { broker: 'sqlite', url: join(folder, 'messages.db') }
}

describe.each<[string, () => MessagingOptions]>([
  ['memory', () => ({ broker: 'memory', url: `memory://${newId()}` })],
  ['sqlite', onFile],
])('on %s', (_, broker) => {
  async function observed() {
    const messaging = createMessaging({ ...broker(), service: 'shop', env: {}, logLevel: 'silent', maxRetries: 1, retryDelayMs: 10 })
    messaging.on(Placed, { group: 'bills' }, ({ data }) => {
      if (data.id < 0) throw new Error('a negative id')
    })
    const spy = await observe(messaging)
    await messaging.start()
    onTestFinished(async () => {
      spy.close()
      await messaging.close()
    })
    return { messaging, spy }
  }

  test('what an instance publishes, handles and gives up is waited for, by a part of its data or a question', async () => {
    const { messaging, spy } = await observed()
    const handled = spy.handled(Placed, { id: 2 })
    await messaging.publishEvent(Placed, { id: 1, lines: ['a'] })
    await messaging.publishEvent(Placed, { id: 2, lines: ['b', 'c'] })
    await messaging.publishEvent(Placed, { id: -1, lines: [] })
    expect(await handled).toMatchObject({ data: { id: 2, lines: ['b', 'c'] }, group: 'bills', attempt: 1 })
    expect(await spy.handled(Placed, ({ lines }) => lines.includes('a'))).toMatchObject({ data: { id: 1 } })
    expect(await spy.published(Placed, { lines: ['a'] })).toMatchObject({ data: { id: 1 }, topic: 'orders' })
    expect(await spy.deadLettered(Placed, { id: -1 })).toMatchObject({ attempts: 2, reason: 'failed', error: { message: 'a negative id' } })
  })

  test('what does not come by its deadline is an error that tells what was seen instead', async () => {
    const { messaging, spy } = await observed()
    await messaging.publishEvent(Placed, { id: 1, lines: [] }, { id: 'm-1' })
    await Promise.all([spy.handled(Placed), spy.published(Placed)])
    const error = await spy.handled(Placed, { id: 9 }, { timeoutMs: 20 }).catch((thrown: Error) => thrown)
    expect(error).toMatchObject({ code: 'TEST_NOT_SEEN' })
    for (const line of [/published +order\.placed to orders \(m-1\)/, /handled +order\.placed by bills \(m-1\)/])
      expect((error as Error).message).toMatch(line)
    expect((error as Error).message).toMatch(/^no order\.placed like \{ id: 9 \} was handled within 20 ms\. What was seen instead:\n/)
  })
})

test('an instance knows nothing of what another one does', async () => {
  const url = `memory://${newId()}`
  const [one, other] = ['one', 'other'].map((service) => createMessaging({ broker: 'memory', url, service, env: {}, logLevel: 'silent' }))
  if (!one || !other) throw new Error('two were made')
  const spy = await observe(one)
  await other.publishEvent(Placed, { id: 1, lines: [] })
  await expect(spy.published(Placed, undefined, { timeoutMs: 1 })).rejects.toThrow(/nothing has happened/)
  await Promise.all([one.close(), other.close()])
})

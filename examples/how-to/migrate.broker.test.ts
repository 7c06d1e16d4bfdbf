import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createMessaging, type Messaging } from '@corebus/core'
import { type BrokerName, broker } from '@corebus/testbed'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'

process.env.LOG_LEVEL = 'silent'
const CORE = fileURLToPath(new URL('../bin/core.js', import.meta.resolve('@corebus/core')))
const names: readonly BrokerName[] = ['rabbitmq', 'kafka']
const [from, to] = await Promise.all(names.map((name) => broker(name)))
afterAll(async () => {
  await from?.stop()
  await to?.stop()
})

describe.skipIf(!from || !to)('a system that moves from RabbitMQ to Kafka while it runs', { timeout: 180_000 }, () => {
  /** What both deployments share: the ids that were handled, with how often. */
  const handled = new Map<string, number>()
  const effects: number[] = []

  const service = (env: NodeJS.ProcessEnv = {}): Messaging => {
    const messaging = createMessaging({ service: 'orders', env: { ...env, LOG_LEVEL: 'silent' } })
    onTestFinished(() => messaging.close())
    return messaging
  }
  const consumer = async (env: NodeJS.ProcessEnv = {}): Promise<Messaging> => {
    const messaging = service(env)
    messaging.handle({ topic: 'orders', group: 'billing' }, async ({ n }: { n: number }, { id }) => {
      const before = handled.get(id) ?? 0
      handled.set(id, before + 1)
      if (before === 0) effects.push(n)
    })
    await messaging.start()
    return messaging
  }
  const bridge = (...args: readonly string[]) => {
    const address = (url = '') => (url.includes('://') ? url : `kafka://${url}`)
    const ends = ['--from', address(from?.url), '--to', address(to?.url), '--topic', 'orders']
    const child = spawn(process.execPath, [CORE, 'bridge', ...ends, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    return child
  }
  const until = (what: () => unknown) => expect.poll(what, { timeout: 60_000, interval: 50 }).toBe(true)

  test('in the order that the page gives: every message is handled, and has its effect once', async () => {
    const [old, next] = [service(from?.env), service(to?.env)]
    let publisher = old.getProducer()
    let published = 0
    let publishing = true
    const publish = async () => {
      for (; publishing; published++) {
        await publisher.send('orders', { n: published }, { key: `customer ${published % 20}` })
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
    const oldConsumer = await consumer(from?.env)
    const done = publish()
    await until(() => effects.length > 50)

    const copying = bridge()
    await until(async () => (await (await next.driver()).admin.topics(['orders'])).length === 1)
    await consumer(to?.env)
    await until(() => [...handled.values()].some((times) => times > 1))

    publisher = next.getProducer()
    await until(async () => (await (await old.driver()).admin.depth('orders', 'billing')).ready === 0)
    await oldConsumer.close()
    copying.kill('SIGTERM')
    expect(await once(copying, 'exit')).toEqual([0, null])
    const rest = bridge('--until-empty')
    expect(await once(rest, 'exit')).toEqual([0, null])

    publishing = false
    await done
    await until(() => effects.length === published)
    expect(effects.toSorted((a, b) => a - b)).toEqual(Array.from({ length: published }, (_, n) => n))
  })
})

import { existsSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { type Admin, Kafka as Client, logLevel } from 'kafkajs'
import { afterAll, describe, expect, test } from 'vitest'
import { broker } from './broker.ts'
import { kafka, startKafka } from './kafka.ts'
import type { Broker } from './kind.ts'
import { freePort } from './port.ts'
import { chaosProxy } from './proxy.ts'

const own = await startKafka()
afterAll(() => own?.stop())

async function asked<T>(url: string, ask: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Client({ brokers: [url], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  try {
    return await ask(admin)
  } finally {
    await admin.disconnect()
  }
}

describe.skipIf(!own)('a Kafka of our own', () => {
  const running = own as Broker
  const topics = () => asked(running.url, (admin) => admin.listTopics())

  test('answers where its environment says, and keeps what it is told over a restart and a kill', async () => {
    expect(running.env).toEqual({ MESSAGING_BROKER: 'kafka', KAFKA_BOOTSTRAP_SERVERS: running.url })
    await asked(running.url, (admin) => admin.createTopics({ topics: [{ topic: 'kept', numPartitions: 1 }], waitForLeaders: false }))
    await running.restart()
    expect(await topics()).toContain('kept')
    await running.kill()
    expect(await topics()).toContain('kept')
  }, 90_000)

  test('frozen it answers nothing, thawed it goes on', async () => {
    await running.freeze()
    const answer = topics()
    await expect(Promise.race([answer, pause(500, 'nothing')])).resolves.toBe('nothing')
    await running.thaw()
    await expect(answer).resolves.toContain('kept')
  })

  test('one that the environment names is used and left alone', async () => {
    const found = await broker('kafka', { env: { KAFKA_BOOTSTRAP_SERVERS: running.url } })
    expect(found).toMatchObject({ url: running.url, own: false })
    await expect(found?.kill()).rejects.toThrow('was not started here')
    await found?.stop()
    expect(await kafka.answers(running.url)).toBe(true)
  })

  test('behind a proxy its clients come back through the proxy; stopped, nothing is left of it', async () => {
    const port = await freePort()
    const proxy = await chaosProxy({ port })
    const second = await startKafka({ behind: { port, advertisedPort: proxy.port } })
    const { brokers } = await asked(`127.0.0.1:${proxy.port}`, (admin) => admin.describeCluster())
    expect(brokers.map((one) => one.port)).toEqual([proxy.port])
    await second?.stop()
    await second?.stop()
    await proxy.close()
    expect(existsSync(second?.folder ?? '/')).toBe(false)
    expect(await kafka.answers(second?.url ?? '')).toBe(false)
  }, 60_000)
})

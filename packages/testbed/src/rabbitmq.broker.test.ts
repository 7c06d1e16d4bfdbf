import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { connect } from 'amqplib'
import { afterAll, describe, expect, test } from 'vitest'
import { broker, find } from './broker.ts'
import type { Broker } from './kind.ts'
import { rabbitmq, startRabbitmq } from './rabbitmq.ts'

const own = await startRabbitmq()
afterAll(() => own?.stop())

describe.skipIf(!own)('a RabbitMQ of our own', () => {
  const running = own as Broker

  /** One durable message, to see what outlives what. */
  async function left(): Promise<number> {
    const connection = await connect(running.url)
    const channel = await connection.createChannel()
    const { messageCount } = await channel.assertQueue('kept', { durable: true, arguments: { 'x-queue-type': 'quorum' } })
    await connection.close()
    return messageCount
  }

  test('answers where its environment says', async () => {
    expect(running.env).toEqual({ MESSAGING_BROKER: 'rabbitmq', RABBITMQ_URL: running.url })
    const connection = await connect(running.url)
    const channel = await connection.createConfirmChannel()
    await channel.assertQueue('kept', { durable: true, arguments: { 'x-queue-type': 'quorum' } })
    channel.sendToQueue('kept', Buffer.from('1'), { persistent: true })
    await channel.waitForConfirms()
    await connection.close()
    expect(await left()).toBe(1)
  })

  test('restarted and killed it comes back on its data, at the same address', async () => {
    await running.restart()
    expect(await left()).toBe(1)
    await running.kill()
    expect(await left()).toBe(1)
  }, 60_000)

  test('frozen it answers nothing, thawed it goes on', async () => {
    await running.freeze()
    const answer = left()
    await expect(Promise.race([answer, pause(500, 'nothing')])).resolves.toBe('nothing')
    await running.thaw()
    await expect(answer).resolves.toBe(1)
  })

  test('one that the environment names is used and left alone', async () => {
    const found = await broker('rabbitmq', { env: { RABBITMQ_URL: running.url } })
    expect(found).toMatchObject({ url: running.url, own: false })
    await expect(found?.kill()).rejects.toThrow('was not started here')
    await found?.stop()
    expect(await rabbitmq.answers(running.url)).toBe(true)
  })

  test('stopped, nothing is left of it', async () => {
    const second = await startRabbitmq()
    const folder = (await second?.ctl('environment'))?.match(/corebus-rabbitmq-[^/"]*/)?.[0] ?? 'none'
    expect(existsSync(join(tmpdir(), folder))).toBe(true)
    await second?.stop()
    await second?.stop()
    expect(existsSync(join(tmpdir(), folder))).toBe(false)
    expect(await rabbitmq.answers(second?.url ?? '')).toBe(false)
  }, 60_000)
})

test('what the environment names and does not answer is an error, not a skip', async () => {
  const env = { RABBITMQ_URL: 'amqp://127.0.0.1:9/' }
  await expect(broker('rabbitmq', { env })).rejects.toThrow('RABBITMQ_URL is set and no rabbitmq answers there')
})

test('where nothing is installed one line says what to install; in CI that fails', async () => {
  const nowhere = { ...rabbitmq, answers: async () => false, start: async () => undefined }
  const said: string[] = []
  expect(await find(nowhere, { env: {}, say: (line) => said.push(line) })).toBeUndefined()
  expect(said).toEqual(['skipped, no rabbitmq here: apt-get install -y --no-install-recommends rabbitmq-server, or set RABBITMQ_URL'])
  await expect(find(nowhere, { env: { CI: 'true' } })).rejects.toThrow('no rabbitmq here: apt-get install')
})

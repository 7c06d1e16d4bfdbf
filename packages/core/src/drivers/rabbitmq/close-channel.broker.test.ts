import { broker, chaosProxy } from '@corebus/testbed'
import { connect } from 'amqplib'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { closeChannel } from './close-channel.ts'

const running = await broker('rabbitmq')
afterAll(() => running?.stop())

describe.skipIf(!running)('closing a channel', () => {
  async function opened() {
    const url = running?.url ?? ''
    const proxy = await chaosProxy({ port: Number(new URL(url).port || 5672), host: new URL(url).hostname })
    onTestFinished(() => proxy.close())
    const connection = await connect(proxy.through(url))
    connection.on('error', () => {})
    return { proxy, connection, channel: await connection.createChannel() }
  }

  test('resolves when its connection is lost before the broker has answered', async () => {
    const { proxy, channel } = await opened()
    proxy.freeze()
    const closing = closeChannel(channel)
    proxy.cut()
    await closing
  })

  test('resolves with the answer, and when it is closed already', async () => {
    const { connection, channel } = await opened()
    await closeChannel(channel)
    await closeChannel(channel)
    await expect(connection.createChannel()).resolves.toBeDefined()
    await connection.close()
  })
})

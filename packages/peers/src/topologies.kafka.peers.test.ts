import { setTimeout as pause } from 'node:timers/promises'
import type { Messaging } from '@corebus/core'
import { Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import { command, eventually, recorder, service } from './kit.ts'
import { startPeer } from './peer.ts'

const url = inject('brokers').kafka

describe.skipIf(!url)('topics and groups of others on Kafka', () => {
  const kcat = (args: readonly string[], input?: string) => command('kcat', ['-b', url ?? '', ...args], input)
  const kafka = new Kafka({ brokers: [url ?? ''], logLevel: logLevel.NOTHING })
  const admin = kafka.admin()
  beforeAll(() => admin.connect())
  afterAll(() => admin.disconnect())

  async function made(topic: string, ...values: readonly string[]): Promise<void> {
    await admin.createTopics({ topics: [{ topic, numPartitions: 3, replicationFactor: 1 }], waitForLeaders: false })
    // kafkajs's own waiting fails where the broker is slow to tell of the topic.
    while (
      !(await admin.fetchTopicMetadata({ topics: [topic] }).catch(() => undefined))?.topics[0]?.partitions.every((one) => one.leader >= 0)
    )
      await pause(50)
    for (const value of values) kcat(['-P', '-t', topic, '-p', '0'], value)
  }
  function corebus(name: string): Messaging {
    const messaging = service('kafka', name)
    onTestFinished(() => messaging.close())
    return messaging
  }

  test('a topic of three partitions is used as it is', async () => {
    await made('shop.orders', '{"id":1}')
    const messaging = corebus('of-three')
    const seen = recorder()
    messaging.handle({ topic: 'shop.orders' }, seen.handler)
    await messaging.start()
    await messaging.getProducer().send('shop.orders', { id: 2 })
    await eventually(() => seen.messages().length).toBe(2)
    const { topics } = await admin.fetchTopicMetadata({ topics: ['shop.orders'] })
    expect(topics[0]?.partitions).toHaveLength(3)
  })

  test('a group that another client has left goes on at its offsets', async () => {
    await made('shop.moved', '{"id":1}', '{"id":2}', '{"id":3}')
    const kafkajs = kafka.consumer({ groupId: 'moved' })
    await kafkajs.connect()
    await kafkajs.subscribe({ topic: 'shop.moved', fromBeginning: true })
    let theirs = 0
    await kafkajs.run({ eachMessage: async () => void theirs++ })
    await eventually(() => theirs).toBe(3)
    await kafkajs.disconnect()
    kcat(['-P', '-t', 'shop.moved', '-p', '0'], '{"id":4}')
    const messaging = corebus('moved')
    const seen = recorder()
    messaging.handle({ topic: 'moved', from: { topic: 'shop.moved' } }, seen.handler)
    await messaging.start()
    await eventually(seen.messages).toEqual([{ id: 4 }])
  })

  test('a group that other clients are in is refused, and they go on', async () => {
    await made('shop.used')
    const kafkajs = kafka.consumer({ groupId: 'used' })
    await kafkajs.connect()
    onTestFinished(() => kafkajs.disconnect())
    await kafkajs.subscribe({ topic: 'shop.used', fromBeginning: true })
    const theirs: string[] = []
    await kafkajs.run({ eachMessage: async ({ message }) => void theirs.push(String(message.value)) })
    kcat(['-P', '-t', 'shop.used'], '{"id":1}')
    await eventually(() => theirs).toEqual(['{"id":1}'])
    const messaging = corebus('used')
    messaging.handle({ topic: 'shop.used' }, () => {})
    await expect(messaging.start()).rejects.toMatchObject({ code: 'GROUP_FOREIGN' })
    kcat(['-P', '-t', 'shop.used'], '{"id":2}')
    await eventually(() => theirs).toEqual(['{"id":1}', '{"id":2}'])
  })

  test('another client that would join a group of ours is refused by Kafka, and ours goes on', async () => {
    await made('shop.ours')
    const messaging = corebus('ours')
    const seen = recorder()
    messaging.handle({ topic: 'shop.ours' }, seen.handler)
    await messaging.start()
    const peer = startPeer('kcat', ['-b', url ?? '', '-G', 'ours', 'shop.ours'])
    onTestFinished(() => peer.stop())
    await peer.line('nconsistent group protocol')
    kcat(['-P', '-t', 'shop.ours'], '{"id":1}')
    await eventually(seen.messages).toEqual([{ id: 1 }])
  })
})

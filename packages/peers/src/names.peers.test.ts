import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Reject } from '@corebus/core'
import type { BrokerName } from '@corebus/testbed'
import { connect } from 'amqplib'
import { Kafka, logLevel } from 'kafkajs'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { command, eventually, service } from './kit.ts'

const PAGE = readFileSync(join(import.meta.dirname, '../../../docs/reference/names.md'), 'utf8')
const TOPIC = 'names.orders'
const urls = inject('brokers')

/** What one column of the page's table says is there: a kind of thing and its name. */
function named(column: number): readonly { readonly kind: string; readonly name: string }[] {
  const rows = PAGE.split('\n').filter((line) => line.startsWith('| '))
  return rows.flatMap((row) => {
    const cell = row.split('|')[column] ?? ''
    const [, kind = '', name = ''] = /(?:(\w+) )?`([^`]+)`/.exec(cell) ?? []
    return name === '' || name.includes('<id>') ? [] : [{ kind, name: name.replaceAll('orders', TOPIC).replace('<ms>', '60000') }]
  })
}

/** The page's command line of that program, on this broker and topic; what it printed. */
function shown(program: string, ...address: readonly [from: string, to: string]): string {
  const line = PAGE.split('\n').find((one) => one.startsWith(`${program} `)) ?? ''
  return command('sh', ['-c', line.replace(...address).replaceAll('orders', TOPIC)])
}

/** A service of which one message waits for its next try, and one is a dead letter. */
async function troubled(broker: BrokerName): Promise<void> {
  const messaging = service(broker, 'billing')
  onTestFinished(() => messaging.close())
  const tried: number[] = []
  messaging.handle({ topic: TOPIC, retryDelayMs: 60_000 }, ({ id }: { id: number }) => {
    tried.push(id)
    throw id === 1 ? new Error('not yet') : new Reject('card declined')
  })
  await messaging.start()
  await messaging.getProducer().send(TOPIC, { id: 1 })
  await messaging.getProducer().send(TOPIC, { id: 2 })
  const { admin } = await messaging.driver()
  await eventually(() => tried.length).toBeGreaterThan(1)
  await eventually(async () => (await admin.depth(TOPIC, 'billing')).dead).toBeGreaterThan(0)
}

describe('the page of names says what consoles show', () => {
  test.skipIf(!urls.rabbitmq)('RabbitMQ', async () => {
    await troubled('rabbitmq')
    const connection = await connect(urls.rabbitmq ?? '')
    onTestFinished(() => connection.close())
    const things = named(2)
    expect(things.length).toBeGreaterThan(5)
    for (const { kind, name } of things) {
      // A passive declaration of what is not there closes the channel, and fails here with its name.
      const channel = await connection.createChannel()
      if (kind === 'exchange') await channel.checkExchange(name)
      else await channel.checkQueue(name)
      await channel.close()
    }
  })

  test.skipIf(!urls.kafka)('Kafka', async () => {
    await troubled('kafka')
    const admin = new Kafka({ brokers: [urls.kafka ?? ''], logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    onTestFinished(() => admin.disconnect())
    const topics = await admin.listTopics()
    const { groups } = await admin.listGroups()
    const there = [...topics.map((name) => name.replace(/[0-9a-f]{12}$/, '<hash>')), ...groups.map(({ groupId }) => groupId)]
    expect(there).toEqual(expect.arrayContaining(named(3).map(({ name }) => name)))
    expect(shown('kcat', 'localhost:9092', urls.kafka ?? '')).toMatch(/\["billing",.*corebus-error=card declined.*\{"id":2\}/s)
  })

  test.skipIf(!urls.redis)('Redis', async () => {
    await troubled('redis')
    const keys = command('redis-cli', ['-u', urls.redis ?? '', 'KEYS', '*']).split('\n')
    // A consumer group is no key, and what has come again leaves its stream.
    const things = named(4).filter(({ kind }) => kind !== 'group')
    expect(things.length).toBeGreaterThan(5)
    expect(keys).toEqual(expect.arrayContaining(things.map(({ name }) => name)))
    expect(command('redis-cli', ['-u', urls.redis ?? '', 'XINFO', 'GROUPS', TOPIC])).toContain('billing')
    expect(shown('redis-cli', 'redis-cli', `redis-cli -u ${urls.redis}`)).toContain('card declined')
  })
})

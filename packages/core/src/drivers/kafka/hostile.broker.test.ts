import { startKafka } from '@corebus/testbed'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { collector } from '../../../test/kit.ts'
import { createMessaging } from '../../messaging.ts'
import { createTopics } from './fixtures/create-topics.ts'
import { openRoom, until } from './fixtures/room.ts'

const node = await startKafka()
afterAll(() => node?.stop())

interface Sent {
  readonly headers?: Readonly<Record<string, string | Buffer | (string | Buffer)[] | undefined>>
  readonly key?: string | null
  readonly bytes?: number
}

const LARGEST_BYTES = 10 * 1024 * 1024

/** What somebody else writes, by a client that has never heard of us. */
const MESSAGES: readonly [what: string, sent: Sent][] = [
  ['that says garbage of where it came from', { headers: { 'corebus-origin': 'garbage' } }],
  ['that says nothing of where it came from', { headers: { 'corebus-origin': '' } }],
  ['that came from a number', { headers: { 'corebus-origin': '7' } }],
  ['that came from nothing', { headers: { 'corebus-origin': 'null' } }],
  ['that came from another topic', { headers: { 'corebus-origin': '{"topic":"other","partition":0,"offset":0,"at":0}' } }],
  ['that calls itself dead', { headers: { 'corebus-dead': '{"group":"x","topic":"y","at":1}', 'corebus-key': 'k' } }],
  ['that is to wait for a year', { headers: { 'corebus-delay-ms': '31536000000' } }],
  [
    'with names of Object.prototype',
    { headers: { constructor: 'a', ['__proto__']: 'b', toString: ['c', 'd'], hasOwnProperty: 'e', valueOf: Buffer.from([255]) } },
  ],
  ['with an empty name and an empty header', { headers: { '': 'a', empty: '' } }],
  ['of 3 MB where the topic takes 10', { bytes: 3_000_000 }],
  ['of as much as the topic takes', { bytes: LARGEST_BYTES - 200 }],
  ['with 500 KB of headers', { headers: { big: 'x'.repeat(500_000) } }],
]

describe.skipIf(!node).each(MESSAGES)('a message %s', (_, { headers = {}, key = null, bytes = 0 }) => {
  test.each([0, 1])(
    'whose handler fails and is retried %d times lies in the dead letters; all others go on, also in the next process',
    async (maxRetries) => {
      const { topic, group, ...room } = openRoom(node?.url ?? '')
      const { admin, producer } = await room.bare()
      await createTopics(admin, [{ topic, numPartitions: 1, configEntries: [{ name: 'max.message.bytes', value: String(LARGEST_BYTES) }] }])
      const { logger, lines } = collector('warn')
      const handled: string[] = []
      const start = async () => {
        const messaging = createMessaging({ broker: 'kafka', url: node?.url ?? '', service: 'tests', env: {}, logger })
        onTestFinished(() => messaging.close())
        messaging.handle({ topic, group, maxRetries, retryDelayMs: 50 }, (input: string) => {
          if (input.startsWith('hostile')) throw new Error('no')
          handled.push(input)
        })
        await messaging.start()
        return messaging
      }
      const first = await start()
      const value = JSON.stringify('hostile'.padEnd(bytes - 2, '.'))
      await producer.send({ topic, messages: [{ key, value, headers }] })
      await first.getProducer().send(topic, 'beside')
      const letters = async () => (await first.driver()).admin.deadLetters({ topic, group }).then(({ letters }) => letters)
      await until(async () => (await letters()).length === 1)
      const [letter] = await letters()
      expect(Buffer.from(letter?.message.body ?? []).toString()).toBe(value)
      expect(letter?.message).toMatchObject({ topic, headers: { 'corebus-attempt': String(maxRetries + 1), 'corebus-error': 'no' } })
      await until(() => handled.length === 1 && first.health().groups[0]?.unsettled === 0)
      expect(first.health()).toMatchObject({ live: true, ready: true, groups: [{ unsettled: 0, unstorable: [] }] })
      expect(lines.filter(({ level }) => level >= 50)).toEqual([])
      await first.close()
      const next = await start()
      for (let n = 0; n < 40; n++) await next.getProducer().send(topic, `next ${n}`)
      await until(() => handled.length === 41)
      expect(await (await next.driver()).admin.replay({ topic, group }, { 'corebus-attempt': '1' })).toBe(1)
      await until(async () => (await (await next.driver()).admin.deadLetters({ topic, group })).letters.length === 1)
    },
    60_000,
  )
})

test.skipIf(!node)('a letter that cannot be read keeps no other from being listed', async () => {
  const { topic, group, ...room } = openRoom(node?.url ?? '')
  const { producer } = await room.bare()
  const messaging = createMessaging({ broker: 'kafka', url: node?.url ?? '', service: 'tests', env: {}, logLevel: 'silent' })
  onTestFinished(() => messaging.close())
  messaging.handle({ topic, group, maxRetries: 0 }, () => {
    throw new Error('no')
  })
  await messaging.start()
  await messaging.getProducer().send(topic, 'a')
  const { admin } = await messaging.driver()
  await until(async () => (await admin.deadLetters({ topic, group })).letters.length === 1)
  const place = (await admin.deadLetters({ topic, group })).letters[0]?.place ?? ''
  for (const dead of ['garbage', '', '7', 'null', '[]'])
    await producer.send({ topic: place, messages: [{ key: dead, value: 'x', headers: { 'corebus-dead': dead } }] })
  expect((await admin.deadLetters({ topic, group })).letters).toHaveLength(1)
  expect((await admin.deadLetters({})).letters.length).toBeGreaterThanOrEqual(6)
})

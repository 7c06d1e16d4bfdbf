import { startKafka } from '@corebus/testbed'
import { ConfigResourceTypes } from 'kafkajs'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { collector } from '../../../test/kit.ts'
import { createMessaging } from '../../messaging.ts'
import { openRoom, until } from './fixtures/room.ts'

const node = await startKafka()
afterAll(() => node?.stop())

/** A service whose handler fails for what begins with "hostile"; an operator may change what a topic takes at most. */
async function service(options: { readonly maxRetries: number; readonly retryDelayMs: number }) {
  const { topic, group, ...room } = openRoom(node?.url ?? '')
  const { admin } = await room.bare()
  const { logger, lines } = collector('warn')
  const handled: string[] = []
  let mended = false
  const start = async () => {
    const messaging = createMessaging({ broker: 'kafka', url: node?.url ?? '', service: 'tests', env: {}, logger })
    onTestFinished(() => messaging.close())
    messaging.handle({ topic, group, ...options }, (input: string) => {
      if (input.startsWith('hostile') && !mended) throw new Error('no')
      handled.push(input.slice(0, 20))
    })
    await messaging.start()
    return messaging
  }
  const messaging = await start()
  const { send } = messaging.getProducer()
  const tool = await room.connected()
  const letters = () => tool.admin.deadLetters({ topic, group }).then(({ letters }) => letters)
  return {
    topic,
    messaging,
    lines,
    handled,
    send,
    letters,
    again: start,
    mend: () => {
      mended = true
    },
    /** Of the topic of ours that begins so. */
    async takesAtMost(bytes: number, what: 'again' | 'delay' | 'place') {
      const { topics } = await admin.fetchTopicMetadata()
      const marks = { again: `again.${topic}`, delay: `delay.${group}`, place: `${topic}.${group}.dlq` }
      const name = topics.map((one) => one.name).find((one) => one.includes(marks[what]))
      if (name === undefined) throw new Error(`none of ${topics.map((one) => one.name)} is the ${what} topic`)
      const configEntries = [{ name: 'max.message.bytes', value: String(bytes) }]
      await admin.alterConfigs({ validateOnly: false, resources: [{ type: ConfigResourceTypes.TOPIC, name, configEntries }] })
    },
  }
}

test.skipIf(!node)('a letter that the broker refuses is stored with what it takes, and says what is not in it', async () => {
  const { topic, send, takesAtMost, letters, handled, messaging, lines } = await service({ maxRetries: 0, retryDelayMs: 50 })
  await takesAtMost(20_000, 'place')
  await send(topic, 'hostile 1', { headers: { large: 'x'.repeat(30_000), small: 'y' }, key: 'k' })
  await send(topic, 'hostile 2'.padEnd(100_000, '.'), { headers: { small: 'y' }, key: 'k' })
  await send(topic, 'hostile 3', { key: 'k' })
  await send(topic, 'beside', { key: 'k' })
  await until(async () => (await letters()).length === 3 && handled.length === 1)
  const found = (await letters()).map(({ message: { headers, body, key } }) => [
    headers['corebus-left-out'],
    Buffer.from(body).toString(),
    ...[key, headers['corebus-error'], headers['corebus-attempt'], headers.small],
  ])
  expect(found).toHaveLength(3)
  expect(found).toEqual(
    expect.arrayContaining([
      ['3 headers', '"hostile 1"', 'k', 'no', '1', undefined],
      ['2 headers and a body of 100002 bytes', '', 'k', 'no', '1', undefined],
      [undefined, '"hostile 3"', 'k', 'no', '1', undefined],
    ]),
  )
  expect(messaging.health()).toMatchObject({ live: true, ready: true, groups: [{ unsettled: 0, unstorable: [] }] })
  // What is left out is said, a line for each form that is refused.
  expect(lines.filter(({ msg }) => /loses \d headers/.test(msg)).length).toBe(3)
})

test.skipIf(!node)('a retry that the broker refuses is a dead letter with that reason', async () => {
  const { topic, send, takesAtMost, letters, handled } = await service({ maxRetries: 3, retryDelayMs: 60_000 })
  await takesAtMost(20_000, 'delay')
  await send(topic, 'hostile'.padEnd(100_000, '.'))
  await send(topic, 'beside')
  await until(async () => (await letters()).length === 1 && handled.length === 1)
  const [letter] = await letters()
  expect(letter?.message.headers).toMatchObject({ 'corebus-reason': 'unstorable', 'corebus-attempt': '1' })
  expect(letter?.message.headers['corebus-error']).toMatch(/^its retry cannot be stored: /)
  expect(letter?.message.body).toHaveLength(100_002)
})

test.skipIf(!node)(
  'a message whose letter is refused in every form keeps no other, is named by health, and is settled once there is room',
  async () => {
    const { topic, send, takesAtMost, letters, handled, messaging, lines, again } = await service({ maxRetries: 0, retryDelayMs: 50 })
    await takesAtMost(100, 'place')
    await send(topic, 'hostile', { id: 'the-one' })
    for (let n = 0; n < 40; n++) await send(topic, `next ${n}`)
    await until(() => handled.length === 40 && !messaging.health().ready)
    expect(messaging.health().reasons.join()).toMatch(/the-one/)
    expect(lines.filter(({ level }) => level >= 50).map(({ msg }) => msg)).toEqual([
      expect.stringMatching(/^message the-one from .* cannot be settled, and stays here/),
    ])
    await messaging.close()
    const next = await again()
    for (let n = 0; n < 40; n++) await next.getProducer().send(topic, `after ${n}`)
    await until(() => handled.length === 80)
    await takesAtMost(1_000_000, 'place')
    await until(async () => (await letters()).length === 1 && next.health().ready)
  },
)

test.skipIf(!node)('a retry that is due and cannot be moved is said, keeps no other, and comes once there is room', async () => {
  const { topic, send, takesAtMost, handled, lines, mend } = await service({ maxRetries: 3, retryDelayMs: 300 })
  await takesAtMost(20_000, 'again')
  await send(topic, 'hostile'.padEnd(100_000, '.'))
  await send(topic, 'hostile, small')
  await until(() => lines.some(({ msg }) => /is due and cannot be moved, the others go on/.test(String(msg))))
  mend()
  await until(() => handled.length === 1)
  expect(handled).toEqual(['hostile, small'])
  await takesAtMost(1_000_000, 'again')
  await until(() => handled.length === 2)
  expect(lines.filter(({ msg }) => /cannot be moved/.test(String(msg)))).toHaveLength(1)
})

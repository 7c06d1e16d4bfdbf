import { broker } from '@corebus/testbed'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { collector } from '../../../test/kit.ts'
import type { Delivery } from '../../driver.ts'
import { createMessaging } from '../../messaging.ts'
import { newId } from '../../wire/id.ts'
import { openRoom, quiet, until } from './fixtures/room.ts'

const running = await broker('rabbitmq')
afterAll(() => running?.stop())
const url = running?.url ?? ''

function service({ topic, group, ttlMs }: { readonly topic: string; readonly group: string; readonly ttlMs?: number }) {
  const { logger, lines } = collector('info')
  const handled: string[] = []
  let fails = true
  const messaging = createMessaging({ broker: 'rabbitmq', url, service: 'tests', env: {}, logger })
  onTestFinished(() => messaging.close())
  const deadLetter = ttlMs === undefined ? {} : { ttlMs }
  messaging.handle({ topic, group, maxRetries: 0, deadLetter }, (input: string) => {
    if (fails) throw new Error('no')
    handled.push(input)
  })
  return {
    messaging,
    lines,
    handled,
    mend() {
      fails = false
    },
  }
}

describe.skipIf(!running)('what RabbitMQ gives up by itself', () => {
  test('messages that expire in a group’s queue are counted, listed and said as its dead letters, and can be handed back', async () => {
    const topic = `t-${newId()}`
    const first = service({ topic, group: 'g' })
    await first.messaging.start()
    const other = service({ topic: `t-${newId()}`, group: 'g' })
    await other.messaging.start()
    await first.messaging.close()
    const { publish } = await openRoom(url).bare()
    for (const n of [1, 2]) await publish(topic, '', `"${n}"`, { expiration: '50', messageId: `m${n}` })
    await new Promise((resolve) => setTimeout(resolve, 500))

    const next = service({ topic, group: 'g' })
    next.mend()
    await next.messaging.start()
    const { admin } = await next.messaging.driver()
    expect(await admin.depth(topic, 'g')).toMatchObject({ ready: 0, dead: 2 })
    const letters = (await admin.deadLetters({ topic })).letters
    expect(letters.map(({ group, message: { id, headers } }) => [group, id, headers['corebus-reason']])).toEqual([
      ['g', 'm1', 'expired'],
      ['g', 'm2', 'expired'],
    ])
    for (const { at } of letters) expect(Math.abs(Date.now() - at)).toBeLessThan(60_000)
    await until(() => next.lines.some(({ msg }) => msg.includes('has given up 2 messages of group g')))
    expect(other.lines.filter(({ msg }) => msg.includes('given up'))).toEqual([])
    expect((await (await other.messaging.driver()).admin.deadLetters({ group: 'g', topic: 'elsewhere' })).letters).toEqual([])

    expect(await admin.replay({ topic, group: 'g', ids: ['m1'] }, {})).toBe(1)
    await until(() => next.handled.length === 1)
    expect(await admin.purge({ topic, group: 'g' })).toBe(1)
    expect((await admin.depth(topic, 'g')).dead).toBe(0)
  })

  test('what expires after the earlier ones were deleted is said again', async () => {
    const topic = `t-${newId()}`
    const held = Promise.withResolvers<void>()
    onTestFinished(() => held.resolve())
    const { logger, lines } = collector('info')
    const messaging = createMessaging({ broker: 'rabbitmq', url, service: 'tests', env: {}, logger, concurrency: 1, maxUnsettled: 1 })
    onTestFinished(() => messaging.close())
    messaging.handle({ topic, group: 'g', maxRetries: 0 }, () => held.promise)
    await messaging.start()
    await messaging.getProducer().send(topic, 'holds the one that comes first')
    await quiet()
    const { publish } = await openRoom(url).bare()
    const { admin } = await messaging.driver()
    const said = () => lines.filter(({ msg }) => msg.includes('given up')).length
    await publish(topic, '', '"1"', { expiration: '50' })
    await publish(topic, '', '"2"', { expiration: '50' })
    await until(() => said() === 1, 40_000)
    await admin.purge({ topic, group: 'g' })
    // The group looks every 15 s: it has to see that they are gone.
    await quiet(16_000)
    await publish(topic, '', '"3"', { expiration: '50' })
    await until(() => said() === 2, 40_000)
  }, 100_000)

  test('a topic with a dot and a group with a dot do not share a place, whatever they keep', async () => {
    const name = `t-${newId()}`
    const [one, two] = [service({ topic: `${name}.eu`, group: 'mail', ttlMs: 60_000 }), service({ topic: name, group: 'eu.mail' })]
    await one.messaging.start()
    await two.messaging.start()
    await one.messaging.getProducer().send(`${name}.eu`, 'a')
    for (const n of [1, 2]) await two.messaging.getProducer().send(name, `b${n}`)
    const { admin } = await one.messaging.driver()
    await until(async () => (await admin.depth(name, 'eu.mail')).dead === 2 && (await admin.depth(`${name}.eu`, 'mail')).dead === 1)
    expect((await admin.deadLetters({ topic: name })).letters.map(({ place }) => place)).toEqual([
      `${name}:eu.mail.dlq`,
      `${name}:eu.mail.dlq`,
    ])
    expect((await admin.deadLetters({ topic: `${name}.eu` })).letters.map(({ place }) => place)).toEqual([`${name}.eu.mail.dlq`])
  })

  test('letters of a group with a dot that lie where a version before this one put them are counted once, listed and handed back', async () => {
    const name = `t-${newId()}`
    const before = { topic: name, group: 'eu.mail', delays: [], deadLetter: { name: '{topic}.{group}.dlq' } }
    const driver = await openRoom(url).connected()
    await driver.ensure({ topics: [name, `${name}.eu`], groups: [before, { ...before, topic: `${name}.eu`, group: 'mail' }] }, 'create')
    await driver.publish([{ id: 'old', topic: name, headers: {}, body: Buffer.from('"old"') }])
    const deliveries: Delivery[] = []
    const subscription = await driver.subscribe({
      topics: [name],
      group: 'eu.mail',
      from: 'earliest',
      exclusive: false,
      limit: 1,
      onLost: () => {},
      onState: () => {},
      onDeliveries: (given) => deliveries.push(...given),
    })
    await until(() => deliveries.length === 1)
    await subscription.settle(deliveries.map((delivery) => ({ kind: 'deadLetter', delivery, headers: {} })))
    await until(async () => (await driver.admin.depth(name, 'eu.mail')).dead === 1)
    await driver.close()

    const now = service({ topic: name, group: 'eu.mail' })
    now.mend()
    await now.messaging.start()
    const { admin } = await now.messaging.driver()
    expect((await admin.depth(name, 'eu.mail')).dead).toBe(1)
    expect((await admin.depth(`${name}.eu`, 'mail')).dead).toBe(0)
    expect(await admin.replay({ topic: name }, {})).toBe(1)
    await until(() => now.handled.length === 1)
  })
})

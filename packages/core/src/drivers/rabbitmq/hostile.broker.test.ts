import { broker } from '@corebus/testbed'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { collector } from '../../../test/kit.ts'
import { createMessaging } from '../../messaging.ts'
import { newId } from '../../wire/id.ts'
import { pika } from './fixtures/pika.ts'
import { until } from './fixtures/room.ts'

const running = await broker('rabbitmq')
afterAll(() => running?.stop())
const url = running?.url ?? ''
const python = running && (await pika(url))

/** What a copy of it cannot be, or should not have, whoever wrote it. */
const MESSAGES: readonly [what: string, properties: Readonly<Record<string, unknown>>, leftOut: string | undefined][] = [
  ['with 70 KiB of headers', { headers: { big: 'x'.repeat(70_000) } }, '1 headers'],
  ['with 64,312 bytes of headers', { headers: { big: 'x'.repeat(64_300) } }, '1 headers'],
  ['with a header whose table says ! of itself', { headers: { table: { '!': 'no such type', value: 1 } } }, '1 headers'],
  ['with a delivery count that came with it', { headers: { 'x-delivery-count': 100 } }, undefined],
  ['with a death of nothing', { headers: { 'x-death': [null] } }, undefined],
  ['with names of Object.prototype', { headers: { constructor: 'a', ['__proto__']: 'b', toString: 'c', hasOwnProperty: 'd' } }, undefined],
  [
    'with our own names, of other types',
    { headers: { 'corebus-attempt': [1], 'corebus-reason': { a: 1 }, 'corebus-dead-group': 7, 'corebus-id': { $bytes: 'ff' } } },
    undefined,
  ],
]

/** Its handler fails for what is hostile, so often that it is retried and dies. */
async function service(maxRetries: number) {
  const { logger, lines } = collector('info')
  const topic = `t-${newId()}`
  const start = async () => {
    const messaging = createMessaging({ broker: 'rabbitmq', url, service: 'tests', env: {}, logger })
    onTestFinished(() => messaging.close())
    messaging.handle({ topic, group: 'g', maxRetries, retryDelayMs: 50 }, (input: string) => {
      if (input === 'hostile') throw new Error('no')
      handled.push(input)
    })
    await messaging.start()
    return messaging
  }
  const handled: string[] = []
  return { topic, start, handled, lines }
}

describe.skipIf(!python).each(MESSAGES)('a message %s', (_, properties, leftOut) => {
  test.each([0, 2])(
    'whose handler fails and is retried %d times lies in the dead letters; all others go on, also in the next process',
    async (maxRetries) => {
      const { topic, start, handled, lines } = await service(maxRetries)
      const first = await start()
      await python?.publish({ exchange: topic, routingKey: topic, body: '"hostile"', properties })
      await first.getProducer().send(topic, 'beside')
      const letters = async () => (await first.driver()).admin.deadLetters({ topic, group: 'g' }).then(({ letters }) => letters)
      await until(async () => (await letters()).length === 1)
      const [letter] = await letters()
      expect(Buffer.from(letter?.message.body ?? []).toString()).toBe('"hostile"')
      expect(letter?.message.headers['corebus-left-out']).toBe(leftOut)
      expect(letter?.message.headers['corebus-error']).toMatch(/^no$|^its retry cannot be stored: /)
      expect(handled).toEqual(['beside'])
      expect(first.health()).toMatchObject({ live: true, ready: true, groups: [{ unsettled: 0, unstorable: [] }] })
      if (leftOut) expect(lines.filter(({ msg }) => /loses 1 headers in its dead letter/.test(msg))).toHaveLength(1)
      await first.close()
      const next = await start()
      for (let n = 0; n < 40; n++) await next.getProducer().send(topic, `next ${n}`)
      await until(() => handled.length === 41)
      await (await next.driver()).admin.replay({ topic, group: 'g' }, {})
      await until(async () => (await (await next.driver()).admin.deadLetters({ topic, group: 'g' })).letters.length === 1)
    },
  )
})

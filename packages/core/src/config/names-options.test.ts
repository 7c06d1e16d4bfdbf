import { expect, test } from 'vitest'
import { onMemory } from '../../test/kit.ts'
import type { DriverOptions } from '../driver.ts'
import { memoryDriver } from '../drivers/memory/driver.ts'
import { newId } from '../wire/id.ts'
import { readConfig } from './config.ts'
import type { MessagingOptions } from './messaging-options.ts'

const namesOf = (options: MessagingOptions) => readConfig({ service: 's', ...options }, { env: {} }).names
const names = {
  orders: 'Contracts:SubmitOrder',
  billing: { redis: 'shop:billing', rabbitmq: 'Contracts:Billing' },
  users: { redis: 'shop:users' },
}

test('each broker has its own names, and one that is said of none by itself holds for all', () => {
  expect(namesOf({ broker: 'redis', names })).toEqual({ orders: 'Contracts:SubmitOrder', billing: 'shop:billing', users: 'shop:users' })
  expect(namesOf({ broker: 'rabbitmq', names })).toEqual({ orders: 'Contracts:SubmitOrder', billing: 'Contracts:Billing' })
  expect(namesOf({ broker: 'kafka', names })).toEqual({ orders: 'Contracts:SubmitOrder' })
  expect([namesOf({ broker: 'memory', names }), namesOf({ broker: 'sqlite', names }), namesOf({ broker: 'kafka' })]).toEqual([
    undefined,
    undefined,
    undefined,
  ])
})

test.each<[string, unknown, RegExp[]]>([
  ['no object', 7, [/names must be an object from topics to names: \{ orders: 'shop:orders' \}.*, not 7/]],
  [
    'all that is wrong at once',
    { orders: '', 'a:b': 'x', long: 'x'.repeat(201), odd: 'a\nb', users: { kafak: 'x', redis: 7 } },
    [
      /the name of orders must be a string that is not empty/,
      /"a:b" cannot be the name of a topic/,
      /the name of long has 201 characters, at most 200/,
      /the name of odd has a control character/,
      /users has a name for kafak, and there are kafka, rabbitmq/,
      /the name of users on redis must be a string/,
    ],
  ],
  ['two topics under one name', { a: 'x:y', b: { redis: 'x:y' } }, [/a and b are both called "x:y"/]],
])('%s is refused with the right form', (_, wrong, words) => {
  for (const word of words)
    expect(() => namesOf({ broker: 'redis', names: wrong as never })).toThrow(
      expect.objectContaining({ code: 'CONFIG', message: expect.stringMatching(word) }),
    )
})

test.each<[string, MessagingOptions, string, RegExp]>([
  [
    'a topic by its own name',
    { names: { orders: 'shop' } },
    'shop',
    /topic shop and topic orders, which names calls so, would be one topic on redis/,
  ],
  ['behind the prefix', { prefix: 'p.', names: { orders: { redis: 'p.shop' } } }, 'shop', /would be one topic on redis/],
])(
  'two topics that would be one on a broker, %s, are refused at start and when published to, on whatever broker',
  async (_, options, topic, words) => {
    const messaging = onMemory(options)
    const refused = expect.objectContaining({ code: 'CONFIG', message: expect.stringMatching(words) })
    await expect(messaging.getProducer().send(topic, { n: 1 })).rejects.toMatchObject({ failures: [{ cause: refused }] })
    await messaging.getProducer().send('orders', { n: 1 })
    messaging.handle({ topic, group: 'g' }, () => undefined)
    await expect(messaging.start()).rejects.toEqual(refused)
  },
)

test('topics that only seem to be one are two: with another prefix, or with names of their own', async () => {
  const all: MessagingOptions[] = [{ prefix: 'p.', names: { orders: 'shop' } }, { names: { orders: 'shop', shop: 'orders' } }]
  for (const options of all) {
    const messaging = onMemory(options)
    messaging.handle({ topic: ['shop', 'orders'], group: 'g' }, () => undefined)
    await messaging.start()
  }
})

test('a driver is told them, and which topics nobody keeps anything of', async () => {
  const given: Partial<DriverOptions>[] = []
  const messaging = onMemory({
    broker: undefined as never,
    url: `memory://${newId()}`,
    names: { orders: 'shop:orders' },
    topology: { partitions: 3, topics: { orders: { unclaimed: false, fields: () => ({ a: 'b' }) }, plain: { in: () => undefined } } },
    driver: (options) => {
      given.push(options)
      return memoryDriver(options)
    },
  })
  await messaging.getProducer().send('orders', 1)
  expect(given).toMatchObject([{ names: { orders: 'shop:orders' }, topics: { partitions: 3, topics: { orders: { unclaimed: false } } } }])
  expect(given[0]?.topics?.topics).toEqual({ orders: { unclaimed: false } })
})

test('what one topic says of itself and this broker has no use for is a hint at start', () => {
  const hints = (broker: MessagingOptions['broker']) =>
    readConfig(
      { service: 's', broker: broker as never, topology: { topics: { orders: { unclaimed: false, in: () => undefined } } } },
      { env: {} },
    ).hints
  expect(hints('redis')).toEqual(['topology.topics.*.unclaimed does nothing with the redis broker: it is for RabbitMQ'])
  expect(hints('rabbitmq')).toEqual([])
})

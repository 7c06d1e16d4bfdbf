import { broker } from '@corebus/testbed'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { createMessaging } from '../messaging.ts'
import { whatAnswers } from './what-answers.ts'

const NAMES = ['redis', 'rabbitmq', 'kafka'] as const
const running = await Promise.all(NAMES.map((name) => broker(name)))
afterAll(() => Promise.all(running.map((one) => one?.stop())))

const placeOf = (url: string): string => /([\w.-]+:\d+)(?:\/|,|$)/.exec(url.replace(/^.*@/, '').replace(/^\w+:\/\//, ''))?.[1] ?? ''
const TITLES = { redis: 'Redis', rabbitmq: 'RabbitMQ', kafka: 'Kafka' }
const SCHEMES = { redis: 'redis://', rabbitmq: 'amqp://', kafka: '' }
const pairs = NAMES.flatMap((expected) => NAMES.map((there, i) => [expected, there, placeOf(running[i]?.url ?? '')] as const))

test.skipIf(running.includes(undefined)).each(pairs)('%s is expected, and %s answers', async (expected, there, at) => {
  const said = await whatAnswers(expected, at, false)
  if (expected === there) return expect(said).toBeUndefined()
  expect(said).toContain(`What answers at ${at} is ${TITLES[there]}, and not ${TITLES[expected]}`)

  const messaging = createMessaging({
    broker: expected,
    url: `${SCHEMES[expected]}${at}`,
    service: 's',
    publish: { timeoutMs: 3_000 },
    logLevel: 'silent',
    env: {},
  })
  onTestFinished(() => messaging.close())
  await expect(messaging.publishEvent('x', {}, { topic: 't' })).rejects.toThrow(`is ${TITLES[there]}`)
})

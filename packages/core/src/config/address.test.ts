import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readConfig, redisUrl } from './config.ts'
import type { Env } from './env.ts'
import { cwd, read, root } from './fixtures/folder.ts'
import type { MessagingOptions } from './messaging-options.ts'

describe('which broker, where, and why', () => {
  const KAFKA = { KAFKA_BOOTSTRAP_SERVERS: 'k1:9092' }
  const RABBIT = { RABBITMQ_URL: 'amqp://u:p@mq:5672/' }
  const REDIS = { REDIS_URL: 'redis://cache:6379/1' }
  const file = () => join(root, '.core', 'messages.db')

  test.each<[string, MessagingOptions, Env, string, string, string]>([
    // The three literal URLs.
    ['kafka alone', {}, { MESSAGING_BROKER: 'kafka' }, 'kafka', 'localhost:9092', 'MESSAGING_BROKER'],
    ['rabbitmq alone', {}, { MESSAGING_BROKER: 'rabbitmq' }, 'rabbitmq', 'amqp://guest:guest@localhost:5672/', 'MESSAGING_BROKER'],
    ['redis alone', {}, { MESSAGING_BROKER: 'redis' }, 'redis', 'redis://localhost:6379/0', 'MESSAGING_BROKER'],
    ['the URL of Kafka', {}, { KAFKA_BOOTSTRAP_SERVERS: 'localhost:9092' }, 'kafka', 'localhost:9092', 'KAFKA_BOOTSTRAP_SERVERS'],
    [
      'the URL of RabbitMQ',
      {},
      { RABBITMQ_URL: 'amqp://guest:guest@localhost:5672/' },
      'rabbitmq',
      'amqp://guest:guest@localhost:5672/',
      'RABBITMQ_URL',
    ],
    ['the URL of Redis', {}, { REDIS_URL: 'redis://localhost:6379/0' }, 'redis', 'redis://localhost:6379/0', 'REDIS_URL'],
    ['code in the house style', { broker: 'kafka', bootstrapServers: 'localhost:9092' }, RABBIT, 'kafka', 'localhost:9092', 'code'],

    ['memory alone', {}, { MESSAGING_BROKER: 'memory' }, 'memory', 'memory:', 'MESSAGING_BROKER'],
    ['capitals and spaces', {}, { MESSAGING_BROKER: ' Kafka ' }, 'kafka', 'localhost:9092', 'MESSAGING_BROKER'],
    [
      'code over MESSAGING_BROKER',
      { broker: 'redis' },
      { MESSAGING_BROKER: 'kafka', ...KAFKA },
      'redis',
      'redis://localhost:6379/0',
      'code',
    ],
    [
      'code, address of the environment',
      { broker: 'rabbitmq' },
      { ...RABBIT, ...KAFKA },
      'rabbitmq',
      'amqp://u:p@mq:5672/',
      'code, RABBITMQ_URL',
    ],
    ['code over its variable', { broker: 'kafka', url: 'k9:1' }, KAFKA, 'kafka', 'k9:1', 'code'],
    [
      'MESSAGING_BROKER ignores the others',
      {},
      { MESSAGING_BROKER: 'kafka', ...RABBIT, ...REDIS },
      'kafka',
      'localhost:9092',
      'MESSAGING_BROKER',
    ],
    [
      'MESSAGING_BROKER and its address',
      {},
      { MESSAGING_BROKER: 'redis', ...REDIS, ...KAFKA },
      'redis',
      REDIS.REDIS_URL,
      'MESSAGING_BROKER, REDIS_URL',
    ],
    ['MESSAGING_BROKER, address in code', { url: 'k1' }, { MESSAGING_BROKER: 'kafka' }, 'kafka', 'k1:9092', 'MESSAGING_BROKER, code'],
    ['a wrong MESSAGING_BROKER behind code', { broker: 'memory' }, { MESSAGING_BROKER: 'nope' }, 'memory', 'memory:', 'code'],

    ['the scheme amqp', { url: 'amqp://h' }, KAFKA, 'rabbitmq', 'amqp://h', 'code'],
    ['the scheme amqps', { url: 'amqps://h:5671/v' }, {}, 'rabbitmq', 'amqps://h:5671/v', 'code'],
    ['the scheme redis', { url: 'redis://h' }, { MESSAGING_BROKER: 'kafka' }, 'redis', 'redis://h', 'code'],
    ['the scheme rediss', { url: 'rediss://h:1/2' }, {}, 'redis', 'rediss://h:1/2', 'code'],
    ['the scheme kafka', { url: 'kafka://a:1,b:2' }, {}, 'kafka', 'a:1,b:2', 'code'],
    ['the scheme sqlite', { url: 'sqlite:///data/m' }, {}, 'sqlite', '/data/m', 'code'],
    ['the scheme file', { url: 'file:///data/a%20b.db' }, {}, 'sqlite', '/data/a b.db', 'code'],
    ['a path ending in .db', { url: '/data/m.db' }, {}, 'sqlite', '/data/m.db', 'code'],
    ['the scheme memory', { url: 'memory:' }, {}, 'memory', 'memory:', 'code'],

    ['an array of servers', { broker: 'kafka', url: ['a:1', 'kafka://b:2', 'c'] }, {}, 'kafka', 'a:1,b:2,c:9092', 'code'],
    [
      'servers with commas and schemes',
      {},
      { KAFKA_BOOTSTRAP_SERVERS: 'kafka://a:1, kafka://b:2/ ,' },
      'kafka',
      'a:1,b:2',
      'KAFKA_BOOTSTRAP_SERVERS',
    ],
    ['an IPv6 server', { broker: 'kafka', url: '[::1]:9092' }, {}, 'kafka', '[::1]:9092', 'code'],

    ['SQLITE_PATH', {}, { SQLITE_PATH: '/data/m' }, 'sqlite', '/data/m', 'SQLITE_PATH'],
    ['REDIS_URL never wins', {}, { ...REDIS, ...RABBIT }, 'rabbitmq', RABBIT.RABBITMQ_URL, 'RABBITMQ_URL'],
    ['REDIS_URL beside a file', {}, { ...REDIS, SQLITE_PATH: '/m' }, 'sqlite', '/m', 'SQLITE_PATH'],
    [
      'a part of a RabbitMQ address',
      {},
      { BROKER_HOST: 'mq', BROKER_PORT: '5673' },
      'rabbitmq',
      'amqp://guest:guest@mq:5673/',
      'BROKER_HOST, BROKER_PORT',
    ],
    [
      'both forms for RabbitMQ',
      {},
      { ...RABBIT, BROKER_HOST: 'mq' },
      'rabbitmq',
      RABBIT.RABBITMQ_URL,
      'RABBITMQ_URL (BROKER_HOST ignored)',
    ],
    [
      'parts of Redis with its name',
      { broker: 'redis' },
      { REDIS_HOST: 'h', REDIS_DB: '2' },
      'redis',
      'redis://h:6379/2',
      'code, REDIS_HOST, REDIS_DB',
    ],
    ['an empty variable is none', {}, { RABBITMQ_URL: '', ...KAFKA }, 'kafka', 'k1:9092', 'KAFKA_BOOTSTRAP_SERVERS'],
    [
      'production with a name',
      {},
      { NODE_ENV: 'production', MESSAGING_BROKER: 'redis' },
      'redis',
      'redis://localhost:6379/0',
      'MESSAGING_BROKER',
    ],
    ['production with a scheme in code', { url: 'redis://h' }, { NODE_ENV: 'production' }, 'redis', 'redis://h', 'code'],
  ])('%s', (_, options, env, broker, url, why) => {
    expect(read(options, env)).toMatchObject({ broker, url, why })
  })

  test('nothing set is the embedded broker, beside the lock file above', () => {
    expect(read()).toMatchObject({ broker: 'sqlite', url: file(), where: file(), why: 'nothing set: the embedded broker' })
  })

  test('parts of a Redis address choose no broker', () => {
    expect(read({}, { REDIS_HOST: 'h', REDIS_PORT: '1' })).toMatchObject({ broker: 'sqlite', url: file() })
  })

  test('what Kubernetes sets beside a service is no configuration', () => {
    expect(read({}, { BROKER_PORT: 'tcp://10.0.0.1:5672' }).broker).toBe('sqlite')
    expect(redisUrl({ REDIS_PORT: 'tcp://10.0.0.1:6379' })).toBe('redis://localhost:6379/0')
  })

  test('a file is looked for from the working directory', () => {
    expect(read({ url: 'sqlite:./m.db' }).url).toBe(join(cwd, 'm.db'))
    expect(read({}, { SQLITE_PATH: 'data/m' }).url).toBe(join(cwd, 'data', 'm'))
  })

  test('the embedded file is below the nearest .git when no lock file is nearer', () => {
    const inner = join(root, 'bare', 'inner')
    mkdirSync(inner, { recursive: true })
    mkdirSync(join(root, 'bare', '.git'))
    expect(readConfig({ broker: 'sqlite' }, { env: { SERVICE_NAME: 'x' }, cwd: inner }).url).toBe(
      join(root, 'bare', '.core', 'messages.db'),
    )
  })
})

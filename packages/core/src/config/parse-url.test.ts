import { describe, expect, test } from 'vitest'
import type { Env } from './env.ts'
import { type Loose, mistakes } from './fixtures/folder.ts'

describe('an address that cannot be', () => {
  const KAFKA = { KAFKA_BOOTSTRAP_SERVERS: 'k1:9092' }
  const RABBIT = { RABBITMQ_URL: 'amqp://u:p@mq:5672/' }
  const REDIS = { REDIS_URL: 'redis://cache:6379/1' }

  test.each<[string, Loose, Env, string]>([
    [
      'two names of the address',
      { broker: 'kafka', url: 'a', bootstrapServers: 'a' },
      {},
      'url and bootstrapServers are two names of the same',
    ],
    ['an address without a scheme', { url: 'localhost:9092' }, KAFKA, "name it, as in { broker: 'kafka', url"],
    ['servers without a scheme', { bootstrapServers: ['a:1', 'b:2'] }, {}, 'bootstrapServers a:1,b:2 does not say which broker it is'],
    ['a scheme no broker has', { url: 'http://h' }, {}, 'has a scheme that no broker has'],
    ['an empty address', { url: ' ' }, {}, 'url is empty'],
    [
      'another scheme than the broker',
      { broker: 'kafka', url: 'amqp://u:secret@h' },
      {},
      'url is amqp://u:***@h, which is no address of kafka',
    ],
    ['another scheme in the variable', {}, { RABBITMQ_URL: 'redis://h' }, 'RABBITMQ_URL is redis://h, which is no address of rabbitmq'],
    ['a scheme nobody has, broker named', { broker: 'redis', url: 'http://h' }, {}, 'which is no address of redis'],
    ['a file for a server', { broker: 'rabbitmq', url: 'sqlite:m' }, {}, 'which is no address of rabbitmq'],
    ['no scheme for RabbitMQ', { broker: 'rabbitmq', url: 'mq:5672' }, {}, 'url is mq:5672, without a scheme. rabbitmq takes amqp://'],
    ['a server without a port number', { broker: 'kafka', url: 'a:1,b:port' }, {}, 'which is not host:port'],
    ['a port out of range', { broker: 'kafka', url: 'a:70000' }, {}, 'which is not host:port'],
    ['several RabbitMQ addresses', { broker: 'rabbitmq', url: ['amqp://a', 'amqp://b'] }, {}, 'cannot be read: one address'],
    ['a path for Redis', { url: 'redis://h/cache' }, {}, 'the number of the database'],
    ['an address for memory', { broker: 'memory', url: 'memory://h:1' }, {}, 'lives in this process'],
    ['parameters of a file', { url: 'file:m.db?mode=ro' }, {}, 'has parameters, and none are read'],
    ['SQLite in memory', { broker: 'sqlite', url: ':memory:' }, {}, 'name the broker "memory"'],
    ['no file', { url: 'sqlite://' }, {}, 'names no file'],
    [
      'a broker there is not',
      { broker: 'rabbit' },
      {},
      'broker must be one of kafka, rabbitmq, redis, sqlite, memory, not "rabbit". Did you mean rabbitmq?',
    ],
    [
      'a mistyped broker',
      {},
      { MESSAGING_BROKER: 'kafak' },
      'MESSAGING_BROKER is "kafak" and must be one of kafka, rabbitmq, redis, sqlite, memory. Did you mean kafka?',
    ],
    [
      'two brokers',
      {},
      { ...KAFKA, ...RABBIT, ...REDIS },
      'KAFKA_BOOTSTRAP_SERVERS (kafka) and RABBITMQ_URL (rabbitmq) are set: set MESSAGING_BROKER to kafka or rabbitmq',
    ],
    ['parts that count as one', {}, { SQLITE_PATH: 'm', BROKER_USER: 'u' }, 'BROKER_USER (rabbitmq) and SQLITE_PATH (sqlite) are set'],
    ['a port that is none', {}, { BROKER_PORT: 'five' }, 'BROKER_PORT must be a whole number from 1 to 65535'],
    ['a host that is a URL', { broker: 'redis' }, { REDIS_HOST: 'redis://h' }, 'the port goes into REDIS_PORT, a whole URL into REDIS_URL'],
    ['a database that is none', { broker: 'redis' }, { REDIS_DB: '-1' }, 'REDIS_DB must be a whole number'],
  ])('refuses %s', (_, options, env, line) => {
    expect(mistakes(options, env)).toEqual([expect.stringContaining(line)])
  })

  test('in production somebody must name the broker, and what was found is listed', () => {
    const [line] = mistakes({}, { NODE_ENV: 'production', RABBITMQ_URL: 'amqp://u:secret@mq', BROKER_HOST: 'h', ...REDIS })
    expect(line).toMatch(/^NODE_ENV is production and no broker is named: set MESSAGING_BROKER to one of /)
    expect(line).toContain('Found: RABBITMQ_URL (amqp://u:***@mq), REDIS_URL (redis://cache:6379/1), BROKER_HOST')
    expect(mistakes({}, { NODE_ENV: 'production' })[0]).toContain('Found: no address of any broker')
  })
})

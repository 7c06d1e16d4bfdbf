import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readConfig } from './config.ts'
import type { Env } from './env.ts'
import { cwd, mistakes, read } from './fixtures/folder.ts'
import type { MessagingOptions } from './messaging-options.ts'

describe('service, topic and log level', () => {
  test.each<[string, MessagingOptions, Env, string]>([
    ['code', { service: 'code' }, { SERVICE_NAME: 'service', API_NAME: 'api' }, 'code'],
    ['SERVICE_NAME', {}, { SERVICE_NAME: 'service', API_NAME: 'api' }, 'service'],
    ['API_NAME', {}, { API_NAME: 'PRODUTOS' }, 'PRODUTOS'],
    ['package.json, without its scope', {}, {}, 'orders-api'],
  ])('the name of the service comes from %s', (_, options, env, service) => {
    expect(read(options, env).service).toBe(service)
  })

  test('a package.json without a name is passed over', () => {
    expect(readConfig({ broker: 'memory' }, { env: {}, cwd: join(cwd, 'src') }).service).toBe('orders-api')
  })

  test('no name at all is an error', () => {
    expect(() => readConfig({ broker: 'memory' }, { env: {}, cwd: '/' })).toThrow(
      /the service has no name: give service in code or SERVICE_NAME/,
    )
  })

  test('the default topic is in code, else MESSAGING_DEFAULT_TOPIC', () => {
    expect(read({}, { MESSAGING_DEFAULT_TOPIC: 'events' }).defaultTopic).toBe('events')
    expect(read({ defaultTopic: 'mine' }, { MESSAGING_DEFAULT_TOPIC: 'events' }).defaultTopic).toBe('mine')
    expect(read()).not.toHaveProperty('defaultTopic')
  })

  test("LOG_LEVEL is one of pino's, in any case", () => {
    expect(read().logLevel).toBe('info')
    expect(read({}, { LOG_LEVEL: 'DEBUG' }).logLevel).toBe('debug')
    expect(read({}, { LOG_LEVEL: 'silent' }).logLevel).toBe('silent')
    expect(mistakes({}, { LOG_LEVEL: 'wran' })).toEqual([
      'LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, silent, not "wran". Did you mean warn?',
    ])
  })
})

describe('options', () => {
  test('have the documented defaults', () => {
    expect(read()).toMatchObject({
      prefix: '',
      concurrency: 10,
      maxUnsettled: 1_000,
      handlerTimeoutMs: 60_000,
      abortGraceMs: 10_000,
      shutdownMs: 25_000,
      crashLimit: 5,
      maxBytes: 900_000,
      publishTimeoutMs: 10_000,
      maxPending: 10_000,
      topology: 'create',
      durability: 'normal',
      tls: false,
      hints: [],
      retry: {},
    })
  })

  test('are taken as they are', () => {
    const retryIf = () => true
    const config = read({
      broker: 'sqlite',
      durability: 'full',
      publish: { timeoutMs: 5 },
      abortGraceMs: 0,
      topology: 'check',
      maxRetries: 2,
      retryDelayMs: 7,
      retryIf,
      deadLetter: { ttlMs: 9 },
    })
    expect(config).toMatchObject({ durability: 'full', publishTimeoutMs: 5, maxPending: 10_000, abortGraceMs: 0, topology: 'check' })
    expect(config.retry).toEqual({ maxRetries: 2, retryDelayMs: 7, retryIf, deadLetter: { ttlMs: 9 } })
  })

  test('a topology says whether, and what topics are like', () => {
    const topics = { partitions: 24, topics: { audit: { partitions: 1 } } }
    expect(read({ broker: 'kafka', topology: { mode: 'check', ...topics } })).toMatchObject({ topology: 'check', topics, hints: [] })
    expect(read({ broker: 'kafka', topology: topics })).toMatchObject({ topology: 'create', topics })
    expect(read({ broker: 'kafka', topology: {} })).not.toHaveProperty('topics')
  })

  test('partitions for a broker that has none to choose are said to do nothing', () => {
    const { hints } = read({ broker: 'sqlite', topology: { partitions: 24 } })
    expect(hints).toEqual([expect.stringMatching(/^topology.partitions and topology.topics do nothing with the sqlite broker/)])
    expect(read({ broker: 'sqlite', topology: { mode: 'check' } }).hints).toEqual([])
  })

  test('the environment may be an option', () => {
    expect(readConfig({ env: { MESSAGING_BROKER: 'memory' } }, { cwd }).broker).toBe('memory')
  })

  const session = async <T>(work: (db: unknown) => Promise<T>) => work(1)
  const outbox = { write: async () => {} }
  const inbox = { firstTime: async () => true }

  const nobody = () => {
    throw new TypeError('nobody')
  }

  test('session, outbox and inbox are accepted together, each of them alone, and an outbox that is written with { tx } only', () => {
    for (const options of [{ session, outbox, inbox }, { session, inbox }, { outbox }]) expect(read(options).broker).toBe('sqlite')
  })

  test.each<[string, Record<string, unknown>, string]>([
    ['an inbox without a session', { inbox }, 'inbox needs a session'],
    ['an outbox that is none', { session, outbox: {} }, 'outbox must be an object with write, not an object'],
    ['concurrency 0', { concurrency: 0 }, 'concurrency must be a whole number from 1 to 10000, not 0'],
    ['concurrency above its range', { concurrency: 10_001 }, 'concurrency must be'],
    ['concurrency in words', { concurrency: '5' }, 'not "5"'],
    ['a broken number', { concurrency: 1.5 }, 'not 1.5'],
    ['null', { concurrency: null }, 'not null'],
    ['no unsettled', { maxUnsettled: 0 }, 'maxUnsettled must be'],
    [
      'an infinite time-out',
      { handlerTimeoutMs: Number.POSITIVE_INFINITY },
      'handlerTimeoutMs must be a number of milliseconds from 1 to 2147483647, not Infinity',
    ],
    ['a time-out of nothing', { handlerTimeoutMs: 0 }, 'handlerTimeoutMs must be'],
    ['a negative grace', { abortGraceMs: -1 }, 'abortGraceMs must be'],
    ['no number for shutdown', { shutdownMs: Number.NaN }, 'shutdownMs must be'],
    ['no crash', { crashLimit: 0 }, 'crashLimit must be'],
    ['no bytes', { maxBytes: 0 }, 'maxBytes must be'],
    ['a publish time-out of nothing', { publish: { timeoutMs: 0 } }, 'publish.timeoutMs must be'],
    ['nothing pending', { publish: { maxPending: 0 } }, 'publish.maxPending must be'],
    ['publish that is no object', { publish: 5 }, 'publish must be an object'],
    ['another topology', { topology: 'alter' }, 'topology must be one of create, check, or { mode, partitions, topics }, not "alter"'],
    ['another mode', { topology: { mode: 'alter' } }, 'topology.mode must be one of create, check, not "alter"'],
    ['no partitions', { topology: { partitions: 0 } }, 'topology.partitions must be a whole number from 1'],
    [
      'half a partition',
      { topology: { topics: { a: { partitions: 1.5 } } } },
      'topology.topics.a.partitions must be a whole number from 1',
    ],
    [
      'a mistyped part of a topic',
      { topology: { topics: { a: { replicas: 3 } } } },
      'topology.topics.a.replicas is not an option. There are partitions',
    ],
    ['another durability', { durability: 'ful' }, 'Did you mean full?'],
    [
      'durability elsewhere',
      { broker: 'redis', durability: 'full' },
      'durability is an option of the sqlite broker, and the broker is redis',
    ],
    ['a prefix that is no name', { prefix: 'a/b' }, 'prefix must be letters'],
    ['an empty service', { service: '' }, 'service must be a string that is not empty'],
    ['a session that is no function', { session: {} }, 'session must be a function, or { write, read } of two functions, not an object'],
    ['a logger that is none', { logger: console.log }, 'logger must be an object with debug, info, warn, error, child, not a function'],
    ['handlers that are no classes', { handlers: [{}] }, 'handlers must be an array in which everything is a class'],
    ['an empty list of addresses', { broker: 'kafka', url: [] }, 'url must be a string, or an array of strings'],
    ['tls as text', { broker: 'kafka', tls: 'yes' }, 'tls must be true, false or { ca, cert, key }, not "yes"'],
    [
      'an unknown part of tls',
      { broker: 'kafka', tls: { rejectUnauthorized: false } },
      'tls.rejectUnauthorized is not an option. There are ca, cert, key',
    ],
    ['auth without a password', { broker: 'kafka', auth: { username: 'u' } }, 'auth.password must be a string'],
    ['dead letters for no time', { deadLetter: { ttlMs: 0 } }, 'deadLetter.ttlMs must be a number of milliseconds above 0, not 0'],
    ['two kinds of delay', { retryDelayMs: 1, backoff: () => 1 }, 'give retryDelayMs or backoff, not both'],
    ['a backoff that throws', { backoff: () => nobody() }, 'backoff fails when it is called'],
    ['a backoff that is none', { backoff: 5 }, 'backoff must be a function, not 5'],
    ['a negative number of retries', { maxRetries: -1 }, 'maxRetries must be'],
    ['a mistyped option', { concurency: 5 }, 'concurency is not an option. Did you mean concurrency?'],
    ['an abbreviated value', { broker: 'rabit' }, 'not "rabit". Did you mean rabbitmq?'],
    ['no object at all', [] as unknown as Record<string, unknown>, 'what is given as options must be an object'],
    ['a Python spelling', { default_topic: 'x' }, 'Did you mean defaultTopic?'],
    ['an option nobody has', { colour: 'red' }, 'colour is not an option. There are broker, driver, url, '],
    ['a mistyped inner option', { publish: { timeoutMS: 5 } }, 'publish.timeoutMS is not an option. Did you mean timeoutMs?'],
    ['an option of a group', { ordering: 'key' }, 'ordering is an option of a group: give it to @consumer, on or handle'],
  ])('refuses %s', (_, options, line) => {
    expect(mistakes(options)).toEqual([expect.stringContaining(line)])
  })

  test('all mistakes are in one error, a line each', () => {
    const lines = mistakes(
      { concurrency: 0, concurency: 5, inbox, publish: { timeoutMs: 'x' } },
      { LOG_LEVEL: 'loud', MESSAGING_BROKER: 'nope', MESSAGING_BROKR: 'kafka' },
    )
    expect(lines).toHaveLength(7)
    expect(lines.join('\n')).toMatch(
      /concurrency.*publish\.timeoutMs.*concurency.*inbox needs a session.*MESSAGING_BROKER.*LOG_LEVEL.*MESSAGING_BROKR/s,
    )
  })

  test('one mistake is one line', () => {
    expect(() => read({ concurrency: 0 })).toThrow(/^the configuration has a mistake: concurrency must be [^\n]*$/)
  })
})

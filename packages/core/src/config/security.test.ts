import { describe, expect, test } from 'vitest'
import type { Config } from './config.ts'
import type { Env } from './env.ts'
import { type Loose, mistakes, PEM, read } from './fixtures/folder.ts'
import type { MessagingOptions } from './messaging-options.ts'

describe('TLS and users', () => {
  test.each<[string, MessagingOptions, Env, Partial<Config>]>([
    ['none', { url: 'amqp://h' }, {}, { tls: false }],
    ['the scheme', { url: 'amqps://h' }, {}, { tls: true, url: 'amqps://h' }],
    ['the option', { url: 'redis://h:1', tls: true }, {}, { tls: true, url: 'rediss://h:1' }],
    ['the option over an explicit port', { url: 'amqp://h:5672/', tls: true }, {}, { url: 'amqps://h:5672/' }],
    ['the default port of TLS', { broker: 'rabbitmq', tls: true }, {}, { url: 'amqps://guest:guest@localhost:5671/' }],
    ['PEM text', { broker: 'kafka', tls: { ca: PEM } }, { MESSAGING_TLS_CA: 'missing' }, { tls: { ca: PEM } }],
    [
      'files',
      { broker: 'kafka' },
      { MESSAGING_TLS_CA: 'ca.pem', MESSAGING_TLS_CERT: 'cert.pem', MESSAGING_TLS_KEY: 'key.pem' },
      { tls: { ca: PEM, cert: PEM, key: PEM } },
    ],
    ['the option with a file', { broker: 'kafka', tls: true }, { MESSAGING_TLS_CA: 'ca.pem' }, { tls: { ca: PEM } }],
    ['the option against files', { broker: 'kafka', tls: false }, { MESSAGING_TLS_CA: 'ca.pem' }, { tls: false }],
    [
      'a user in code',
      { broker: 'kafka', auth: { username: 'u', password: 'p' } },
      {},
      { auth: { username: 'u', password: 'p', mechanism: 'plain' } },
    ],
    [
      'a user of the environment',
      { broker: 'kafka' },
      { MESSAGING_USERNAME: 'u', MESSAGING_PASSWORD: 'p', KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512' },
      { auth: { username: 'u', password: 'p', mechanism: 'scram-sha-512' } },
    ],
    [
      'a user of RabbitMQ',
      { broker: 'rabbitmq', auth: { username: 'a b', password: 'p@/%' } },
      {},
      { url: 'amqp://a%20b:p%40%2F%25@localhost:5672/', where: 'amqp://a%20b:***@localhost:5672/' },
    ],
    [
      'a user of Redis',
      { broker: 'redis' },
      { MESSAGING_USERNAME: 'u', MESSAGING_PASSWORD: 'p' },
      { url: 'redis://u:p@localhost:6379/0', auth: { username: 'u', password: 'p' } },
    ],
    [
      'code over a URL of the environment',
      { auth: { username: 'u', password: 'p' } },
      { RABBITMQ_URL: 'amqp://x:y@h' },
      { url: 'amqp://u:p@h' },
    ],
    [
      'a URL in code over the environment',
      { url: 'amqp://x:y@h' },
      { MESSAGING_USERNAME: 'u', MESSAGING_PASSWORD: 'p' },
      { url: 'amqp://x:y@h' },
    ],
    ['the same twice', { url: 'amqp://u:p@h', auth: { username: 'u', password: 'p' } }, {}, { url: 'amqp://u:p@h' }],
    ["another broker's mechanism", { broker: 'redis' }, { KAFKA_SASL_MECHANISM: 'nonsense' }, { url: 'redis://localhost:6379/0' }],
  ])('%s', (_, options, env, expected) => {
    expect(read(options, env)).toMatchObject(expected)
  })

  test.each<[string, Loose, Env, string]>([
    ['a file that is not there', { broker: 'kafka' }, { MESSAGING_TLS_CA: 'missing.pem' }, 'missing.pem, which cannot be read (ENOENT)'],
    ['a file without PEM', { broker: 'kafka' }, { MESSAGING_TLS_CA: 'no.pem' }, 'MESSAGING_TLS_CA: '],
    ['a certificate without its key', { broker: 'kafka' }, { MESSAGING_TLS_CERT: 'cert.pem' }, 'certificate and key together'],
    ['a file name as PEM', { broker: 'kafka', tls: { ca: './ca.pem' } }, {}, 'tls.ca must be PEM text'],
    ['no TLS for a scheme that asks for it', { url: 'rediss://h', tls: false }, {}, 'tls is false, and the scheme'],
    ['TLS without a server', { broker: 'sqlite', tls: true }, {}, 'tls does nothing with the sqlite broker'],
    [
      'a user without a server',
      { broker: 'memory', auth: { username: 'u', password: 'p' } },
      {},
      'auth does nothing with the memory broker',
    ],
    [
      'a user without a password',
      { broker: 'kafka' },
      { MESSAGING_USERNAME: 'u' },
      'MESSAGING_USERNAME is set and MESSAGING_PASSWORD is not',
    ],
    [
      'a password without a user',
      { broker: 'redis' },
      { MESSAGING_PASSWORD: 'p' },
      'the user of a Redis that has only a password is "default"',
    ],
    ['a user given twice in code', { url: 'amqp://u:p@h', auth: { username: 'v', password: 'p' } }, {}, 'the user is given twice'],
    [
      'a user given twice outside',
      {},
      { RABBITMQ_URL: 'amqp://u:p@h', MESSAGING_USERNAME: 'v', MESSAGING_PASSWORD: 'p' },
      'in RABBITMQ_URL and in MESSAGING_USERNAME',
    ],
    [
      'an unknown mechanism',
      { broker: 'kafka', auth: { username: 'u', password: 'p', mechanism: 'scram-sha-265' } },
      {},
      'Did you mean scram-sha-256?',
    ],
    ['a mechanism and nobody', { broker: 'kafka' }, { KAFKA_SASL_MECHANISM: 'plain' }, 'nobody logs in'],
    [
      'a mechanism elsewhere',
      { broker: 'redis', auth: { username: 'u', password: 'p', mechanism: 'plain' } },
      {},
      "auth.mechanism is Kafka's",
    ],
  ])('refuses %s', (_, options, env, line) => {
    expect(mistakes(options, env)).toEqual([expect.stringContaining(line)])
  })

  test('of the environment are a hint where there is no server', () => {
    expect(read({ broker: 'sqlite' }, { MESSAGING_USERNAME: 'u', MESSAGING_TLS_CA: 'missing' }).hints).toEqual([
      'MESSAGING_TLS_CA is set and not read: the sqlite broker has no server',
      'MESSAGING_USERNAME is set and not read: the sqlite broker has no server',
    ])
  })
})

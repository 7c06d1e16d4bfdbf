import { describe, expect, test } from 'vitest'
import type { Env } from '../config/env.ts'
import { type Loose, mistakes, read } from '../config/fixtures/folder.ts'
import { redactUrl } from './redact.ts'

describe('secrets', () => {
  test.each([
    ['amqp://guest:guest@localhost:5672/', 'amqp://guest:***@localhost:5672/'],
    ['redis://:secret@h:6379/0', 'redis://:***@h:6379/0'],
    ['redis://user@h', 'redis://user@h'],
    ['redis://h:6379/0', 'redis://h:6379/0'],
    ['amqps://u:secret@h/v?heartbeat=1&password=secret#secret', 'amqps://u:***@h/v?***'],
    ['amqp://u:se@cr@et@h', 'amqp://u:***@h'],
    ['amqp://u:se/secret@h', 'amqp://***'],
    ['amqp://u:12?secret=1@h', 'amqp://***'],
    ['redis://h/?password=p@secret', 'redis://***'],
    ['amqp://u:secret', 'amqp://u:***'],
    ['u:secret@h:9092', 'u:***@h:9092'],
    ['kafka://u:secret@a:1,b:2', 'kafka://u:***@a:1,b:2'],
    ['a:9092,[::1]:9092', 'a:9092,[::1]:9092'],
    ['secret:secret:secret', 'secret:***'],
    ['', ''],
  ])('%s is shown as %s', (url, shown) => {
    expect(redactUrl(url)).toBe(shown)
  })

  test('are in the URL for the driver and not in where', () => {
    expect(read({ url: 'amqp://u:secret@h/v' })).toMatchObject({ url: 'amqp://u:secret@h/v', where: 'amqp://u:***@h/v' })
    expect(read({ url: 'kafka://u:secret@h' })).toMatchObject({
      url: 'h:9092',
      where: 'h:9092',
      auth: { username: 'u', password: 'secret', mechanism: 'plain' },
    })
    expect(read({ url: 'memory:' }).where).toBe('this process')
  })

  const S = 's3cr3t'
  test.each<[string, Loose, Env]>([
    ['a slash in the password', { url: `amqp://u:pa/${S}@h` }, {}],
    ['a hash in the password', { url: `redis://u:pa#${S}@h` }, {}],
    ['a query in the password', { url: `amqp://u:12?${S}@h` }, {}],
    ['a port that is the password', { url: `amqp://u:${S}` }, {}],
    ['a comma in the password', { url: `kafka://u:12,${S}@h:1` }, {}],
    ['a percent in the password', { url: `redis://u:%${S}@h` }, {}],
    ['no scheme', { url: `u:${S}@h:9092` }, {}],
    ['an unknown scheme', { url: `http://u:${S}@h?x=${S}` }, {}],
    ['another broker', { broker: 'kafka', url: `amqp://u:${S}@h` }, {}],
    ['a URL as the broker', { broker: `amqp://u:${S}@h` }, {}],
    ['a URL as MESSAGING_BROKER', {}, { MESSAGING_BROKER: `amqp://u:${S}@h` }],
    ['a URL as the host', {}, { BROKER_HOST: `amqp://u:${S}@h` }],
    ['two brokers', {}, { RABBITMQ_URL: `amqp://u:${S}@h`, KAFKA_BOOTSTRAP_SERVERS: `u:${S}@h` }],
    [
      'production',
      {},
      { NODE_ENV: 'production', RABBITMQ_URL: `amqp://u:${S}@h`, BROKER_PASSWORD: S, REDIS_URL: `redis://:${S}@h?p=${S}` },
    ],
    ['a login given twice', { url: `amqp://u:${S}@h`, auth: { username: 'v', password: S } }, {}],
    ['a login of the wrong type', { broker: 'kafka', auth: { username: '', password: [S] } }, {}],
    ['a certificate as a file', { broker: 'kafka', tls: { ca: `/x/${S}` } }, {}],
    ['a key as a variable', { broker: 'kafka' }, { MESSAGING_TLS_KEY: `-----BEGIN PRIVATE KEY-----${S}` }],
    ['a mistyped variable', { broker: 'nope' }, { MESSAGING_PASSWRD: S }],
  ])('stay out of the error about %s', (_, options, env) => {
    expect(mistakes(options, env).join('\n')).not.toContain(S)
  })
})

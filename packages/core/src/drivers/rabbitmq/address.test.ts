import { expect, test } from 'vitest'
import { addressOf } from './address.ts'

const at = (url: string, options: Partial<Parameters<typeof addressOf>[0]> = {}) => addressOf({ url, tls: false, ...options })

test('host, port and virtual host as they stand there; the port that belongs to the scheme, the default virtual host', () => {
  expect(at('amqp://u:p@broker:5673/my%2Fhost').url).toMatchObject({ protocol: 'amqp', hostname: 'broker', port: 5673, vhost: 'my%2Fhost' })
  expect(at('amqp://broker').url).toMatchObject({ port: 5672, vhost: '%2F' })
  expect(at('amqps://[::1]/').url).toMatchObject({ protocol: 'amqps', hostname: '::1', port: 5671, vhost: '%2F' })
  expect(at('amqp://broker', { tls: true }).url).toMatchObject({ protocol: 'amqps', port: 5671 })
})

test('what is said of it has no secret', () => {
  expect(at('amqp://user:secret@broker:5672/').where).toBe('broker:5672')
})

test('user and password may be any text; auth goes before the address', () => {
  const response = (url: string, options?: Parameters<typeof at>[1]) => at(url, options).socket.credentials?.response().toString()
  expect(response('amqp://gr%C3%B6%C3%9Fe:p%C3%A4%2F%40@broker/')).toBe('\0größe\0pä/@')
  expect(response('amqp://broker/')).toBe('\0guest\0guest')
  expect(response('amqp://a:b@broker/', { auth: { username: 'c', password: 'd' } })).toBe('\0c\0d')
})

test('authority, certificate and key go to the socket', () => {
  expect(at('amqps://broker/', { tls: { ca: 'CA', cert: 'CERT', key: 'KEY' } }).socket).toMatchObject({
    ca: 'CA',
    cert: 'CERT',
    key: 'KEY',
  })
})

test("the client's own options pass through; a heartbeat notices a lost connection within 15 s unless told otherwise", () => {
  expect(at('amqp://broker/?heartbeat=20&frameMax=8192&channelMax=50').url).toMatchObject({ heartbeat: 20, frameMax: 8192, channelMax: 50 })
  expect(at('amqp://broker/').url).toMatchObject({ heartbeat: 5 })
  expect(at('amqps://broker/?auth_mechanism=external').socket.credentials?.mechanism).toBe('EXTERNAL')
})

test('options that are unknown, or would break a promise, are refused', () => {
  expect(() => at('amqp://broker/?heartbeat=0')).toThrow(
    /broker:5672 has \?heartbeat=0: from 1 to 60 s, or a lost connection would not be noticed/,
  )
  expect(() => at('amqp://broker/?heartbeat=x')).toThrow(/no whole number/)
  expect(() => at('amqp://broker/?prefetch=10')).toThrow(/has \?prefetch=, which is no option of the client/)
  expect(() => at('amqp://broker/?auth_mechanism=amqplain')).toThrow(/there are plain and external/)
})

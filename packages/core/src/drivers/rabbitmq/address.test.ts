import { expect, test } from 'vitest'
import { addressOf } from './address.ts'
import { loadLibrary } from './library.ts'

await loadLibrary()

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
  expect(at('amqp://broker/?heartbeat=20&frameMax=8192&channelMax=500').url).toMatchObject({
    heartbeat: 20,
    frameMax: 8192,
    channelMax: 500,
  })
  expect(at('amqp://broker/').url).toMatchObject({ heartbeat: 4 })
  expect(at('amqps://broker/?auth_mechanism=external').socket.credentials?.mechanism).toBe('EXTERNAL')
})

test('so do those given in code, over those of the address', () => {
  const client = { heartbeat: 8, servername: 'broker.internal', keepAlive: true, clientProperties: { team: 'orders' } }
  const { url, socket } = at('amqps://10.0.0.7/?heartbeat=20&frameMax=8192', { client })
  expect(url).toMatchObject({ heartbeat: 8, frameMax: 8192 })
  expect(socket).toMatchObject({ servername: 'broker.internal', keepAlive: true, noDelay: true })
  expect(socket.clientProperties).toEqual({ connection_name: `corebus ${process.pid}`, team: 'orders' })
})

test('options of the address that are unknown, or would break a promise, are refused', () => {
  expect(() => at('amqp://broker/?heartbeat=0')).toThrow(
    /broker:5672 has \?heartbeat=0, which must be from 1 to 60 s, or a lost connection would not be noticed/,
  )
  expect(() => at('amqp://broker/?heartbeat=x')).toThrow(/no whole number/)
  expect(() => at('amqp://broker/?prefetch=10')).toThrow(/has \?prefetch=, which is no option of the client/)
  expect(() => at('amqp://broker/?auth_mechanism=amqplain')).toThrow(/must be plain or external/)
})

test('options in code that would break a promise are refused, all at once and without what they say', () => {
  const client = { heartbeat: 0, recovery: true, rejectUnauthorized: false, password: 'hunter2', channelMax: 2, timeout: 0 }
  const refused = () => at('amqps://broker/', { client })
  expect(refused).toThrow(expect.objectContaining({ code: 'CLIENT_OPTION' }))
  for (const name of Object.keys(client)) expect(refused).toThrow(`client.${name} `)
  expect(refused).not.toThrow(/hunter2/)
  expect(() => at('amqp://broker/', { client: { clientProperties: { capabilities: {} } } })).toThrow(/without capabilities/)
})

import { expect, test } from 'vitest'
import { systemClock } from '../../clock.ts'
import { addressOf } from './address.ts'
import { clientOptions } from './client-options.ts'
import { loadLibrary, redisDriver } from './driver.ts'

await loadLibrary()

test.each([
  [{ RESP: 3 }, 'client.RESP cannot be given: the driver relies on'],
  [{ keyPrefix: 'x' }, 'client.keyPrefix cannot be given: use prefix'],
  [{ password: 'secret' }, 'client.password cannot be given: use auth'],
  [{ anything: 1 }, 'client.anything is not passed on'],
  [{ socket: 'tcp' }, 'client.socket must be an object'],
  [{ socket: { host: 'h' } }, 'client.socket.host cannot be given: the address says'],
  [{ socket: { reconnectStrategy: 5 } }, 'client.socket.reconnectStrategy cannot be given'],
  [{ socket: { rejectUnauthorized: false } }, 'client.socket.rejectUnauthorized must not be false'],
  [{ socket: { connectTimeout: 0 } }, 'client.socket.connectTimeout must be a number of milliseconds above 0'],
])('options that would break a promise are refused: %j', (given, why) => {
  expect(() => clientOptions(given)).toThrow(expect.objectContaining({ code: 'CLIENT_OPTION', message: expect.stringContaining(why) }))
})

test('all faults are told at once, without what was given', () => {
  expect(() => clientOptions({ password: 'secret', socket: { port: 1 } })).toThrow(/client\.password .*; client\.socket\.port /)
  expect(() => clientOptions({ password: 'secret' })).not.toThrow(/secret/)
})

test('others are passed on', () => {
  const given = { name: 'orders', clientInfoTag: 'x', socket: { keepAlive: true, family: 4, servername: 'redis.internal' } }
  expect(clientOptions(given)).toEqual({ client: { name: 'orders', clientInfoTag: 'x' }, socket: given.socket })
})

test('a query in the address is refused, for nothing in it is read', () => {
  const address = { url: 'redis://me:secret@h:7000/1?timeout=5', tls: false }
  expect(() => addressOf(address)).toThrow(expect.objectContaining({ code: 'URL', message: expect.stringContaining('h:7000') }))
  expect(() => addressOf(address)).not.toThrow(/secret/)
})

test('an address as it is read', () => {
  expect(addressOf({ url: 'redis://[::1]', tls: false })).toMatchObject({
    node: { host: '::1', port: 6379 },
    database: 0,
    where: '[::1]:6379',
  })
  expect(addressOf({ url: 'rediss://h:7000/2', tls: true })).toMatchObject({ node: { host: 'h', port: 7000 }, database: 2 })
})

test('a driver that was never connected closes, and rejects what it is asked', async () => {
  const options = {
    url: 'redis://127.0.0.1:9/0',
    service: 's',
    prefix: '',
    publishTimeoutMs: 100,
    clock: systemClock,
    durability: 'normal',
    tls: false,
  } as const
  const driver = redisDriver(options)
  await driver.close()
  await expect(driver.connect(() => {})).rejects.toMatchObject({ code: 'CLOSED' })
  await expect(driver.publish([{ id: 'a', topic: 't', headers: {}, body: new Uint8Array() }])).rejects.toMatchObject({ code: 'CLOSED' })
})

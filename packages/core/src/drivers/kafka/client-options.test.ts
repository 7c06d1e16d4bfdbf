import net from 'node:net'
import { expect, test } from 'vitest'
import type { CorebusError } from '../../errors.ts'
import { addressOf } from './address.ts'

const given = (client: Record<string, unknown>, more: Partial<Parameters<typeof addressOf>[0]> = {}) =>
  addressOf({ url: 'kafka://a:1, b:2', tls: false, client, ...more })

test('what has no option of ours reaches kafkajs as it is, over what the driver would say', () => {
  const sasl = { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value: 'token' }) }
  const { kafka } = given({ clientId: 'orders', connectionTimeout: 5_000, reauthenticationThreshold: 1_000, sasl })
  expect(kafka).toMatchObject({ brokers: ['a:1', 'b:2'], clientId: 'orders', connectionTimeout: 5_000, requestTimeout: 5_000, sasl })
  const openSocket = () => new net.Socket()
  expect(given({ socketFactory: openSocket }).openSocket).toBe(openSocket)
})

test("a group gives a member up after kafkajs's sessionTimeout", () => {
  expect(given({}).sessionMs).toBe(6_000)
  expect(given({ sessionTimeout: 20_000 }).sessionMs).toBe(20_000)
})

test('what concerns TLS is laid over tls', () => {
  const { kafka } = given({ ssl: { servername: 'kafka.internal', minVersion: 'TLSv1.3' } }, { tls: { ca: 'PEM' } })
  expect(kafka.ssl).toEqual({ ca: 'PEM', servername: 'kafka.internal', minVersion: 'TLSv1.3' })
  expect(given({}, { tls: true }).kafka.ssl).toEqual({})
  expect(given({}).kafka.ssl).toBe(false)
})

test('kafkajs is not heard unless its log is asked for', () => {
  expect(given({}).kafka.logCreator?.(4)).toBeTypeOf('function')
  const mine = () => () => {}
  expect(given({ logCreator: mine }).kafka.logCreator).toBe(mine)
  expect(given({ logLevel: 4 }).kafka).not.toHaveProperty('logCreator')
})

test.each([
  [{ brokers: ['c:3'] }, /client.brokers cannot be given: .*use url/],
  [{ retry: { retries: 3 } }, /client.retry cannot be given: the driver tries again by itself/],
  [{ enforceRequestTimeout: false }, /client.enforceRequestTimeout cannot be given/],
  [{ idempotent: true }, /client.idempotent cannot be given: the driver publishes by itself/],
  [{ groupId: 'mine' }, /client.groupId cannot be given: the driver is a member of groups by itself/],
  [{ sessionTimeout: 30_000 }, /client.sessionTimeout must be from 1000 to 25000 ms/],
  [{ requestTimeout: 30_000 }, /client.requestTimeout must be .* up to 10000/],
  [{ connectionTimeout: 0 }, /client.connectionTimeout must be/],
  [{ clientId: 7 }, /client.clientId must be a string/],
  [{ socketFactory: {} }, /client.socketFactory must be a function/],
  [{ ssl: { servername: 'x' } }, /client.ssl does nothing without tls/],
  [{ sasl: { mechanism: 'SCRAM-SHA-256', username: 'u', password: 'secret' } }, /client.sasl of the mechanism SCRAM-SHA-256 .*use auth$/],
  [{ cleintId: 'x' }, /client.cleintId is no option of the client: there are clientId, /],
])('what kafkajs does not know or would undo a promise is refused, with words: %o', (client, words) => {
  expect(() => given(client)).toThrow(expect.objectContaining({ code: 'CLIENT_OPTION', message: expect.stringMatching(words) }))
  expect(() => given(client)).not.toThrow(/secret/)
})

test.each([
  [{ rejectUnauthorized: false }, /rejectUnauthorized: whoever answers would be trusted/],
  [{ ca: 'PEM' }, /cannot have ca: use tls/],
  [{ checkServerIdentity: () => undefined }, /checkServerIdentity/],
])('so is what would trust anybody: %o', (ssl, words) => {
  expect(() => given({ ssl }, { tls: true })).toThrow(
    expect.objectContaining({ code: 'CLIENT_OPTION', message: expect.stringMatching(words) }),
  )
})

test('all that is wrong is said at once, and a login beside auth is', () => {
  const auth = { username: 'u', password: 'p' }
  const thrown = (() => {
    try {
      given({ sasl: { mechanism: 'aws' }, retry: {} }, { auth })
    } catch (error) {
      return error as CorebusError
    }
    return undefined
  })()
  expect(thrown?.message).toMatch(/client.sasl cannot be given beside auth.*; client.retry/)
})

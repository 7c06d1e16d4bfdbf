import { createServer as createHttp } from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { createServer as createTls } from 'node:tls'
import { authority } from '@corebus/testbed'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { collector } from '../../test/kit.ts'
import { createMessaging } from '../messaging.ts'
import { whatAnswers } from './what-answers.ts'

const certificates = await authority()
afterAll(() => certificates.remove())

async function listening(server: Server): Promise<string> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  onTestFinished(() => void server.close())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

const http = () => listening(createHttp((_, response) => response.end('hello')))
/** As PostgreSQL does, it answers one letter to the one thing it knows. */
const postgres = () =>
  listening(createServer((socket) => socket.on('data', (data) => (data.length === 8 && data[7] === 47 ? socket.write('N') : socket.end()))))
const silent = () => listening(createServer((socket) => onTestFinished(() => void socket.destroy())))
const tls = async () => listening(createTls(await certificates.sign('server')))
const redis = () =>
  listening(
    createServer((socket) =>
      socket.on('data', (data) => data.toString() === 'PING\r\n' && socket.write('-NOAUTH Authentication required.\r\n')),
    ),
  )

test.each([
  ['an HTTP server, such as the console of a broker', 'rabbitmq', http, 'is an HTTP server, and not RabbitMQ'],
  ['PostgreSQL', 'kafka', postgres, 'is PostgreSQL, and not Kafka'],
  ['Redis behind a password', 'kafka', redis, 'is Redis, and not Kafka'],
  ['a server that speaks TLS', 'redis', tls, 'speaks TLS: use rediss:// or tls: true'],
])('%s is named', async (_, broker, server, words) => {
  const at = await server()
  expect(await whatAnswers(broker, `${broker}://user:p%40s,s@${at}/0,other:1`, false)).toContain(`What answers at ${at} ${words}`)
})

test('nothing is said of one that answers as it should, of one that is silent, and where nobody is', async () => {
  expect(await whatAnswers('redis', `redis://${await redis()}`, false)).toBeUndefined()
  expect(await whatAnswers('rabbitmq', `amqp://${await silent()}`, false)).toBeUndefined()
  expect(await whatAnswers('kafka', '127.0.0.1:1', false)).toBeUndefined()
  expect(await whatAnswers('sqlite', '/tmp/a.db', false)).toBeUndefined()
  expect(await whatAnswers('custom', 'their-own-thing', false)).toBeUndefined()
})

test('a server that has no TLS is told from one that has', async () => {
  const at = await redis()
  expect(await whatAnswers('redis', `rediss://${at}`, true)).toBe(
    `Redis answers at ${at} without TLS: the address or tls says that it has it`,
  )
})

test('a first connection is awaited aloud after a second, and its error names the server of another kind', async () => {
  const { logger, lines } = collector('warn')
  const at = await http()
  const messaging = createMessaging({
    broker: 'rabbitmq',
    url: `amqp://guest:secret@${at}/`,
    service: 's',
    publish: { timeoutMs: 2_500 },
    logger,
    env: {},
  })
  onTestFinished(() => messaging.close())
  await expect(messaging.driver()).rejects.toMatchObject({
    code: 'CONNECT',
    message: expect.stringContaining(`What answers at ${at} is an HTTP server`),
  })
  expect(lines.map(({ msg }) => msg)).toEqual([
    `waiting for broker rabbitmq at amqp://guest:***@${at}/: no connection after 1 s, still trying`,
    expect.stringContaining(`What answers at ${at} is an HTTP server, and not RabbitMQ`),
  ])
})

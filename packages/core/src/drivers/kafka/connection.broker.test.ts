import net from 'node:net'
import { authority, type Kafka, startKafka } from '@corebus/testbed'
import type { ISocketFactory } from 'kafkajs'
import { afterAll, describe, expect, test } from 'vitest'
import { member, messages, openRoom } from './fixtures/room.ts'

const certificates = await authority()
const { cert, key } = await certificates.sign('server')
const client = await certificates.sign('client')
const stranger = await authority()
const running = await secured()
afterAll(async () => {
  await running?.stop()
  certificates.remove()
  stranger.remove()
})

/** Listeners for each way of getting in. */
async function secured(): Promise<(Kafka & { readonly ports: Readonly<Record<string, number>> }) | undefined> {
  const inOneLine = (text: string) => text.trim().replaceAll('\n', '\\n')
  const login = (listener: string) => [
    `listener.name.${listener}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512`,
    `listener.name.${listener}.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_app="app-secret";`,
    ...[256, 512].map(
      (bits) =>
        `listener.name.${listener}.scram-sha-${bits}.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;`,
    ),
  ]
  const scram = [256, 512].flatMap((bits) => ['--add-scram', `SCRAM-SHA-${bits}=[name=app,password=app-secret]`])
  return startKafka({
    listeners: { SASL: 'SASL_PLAINTEXT', TOKEN: 'SASL_PLAINTEXT', TLS: 'SSL', BOTH: 'SASL_SSL', MUTUAL: 'SSL' },
    format: scram,
    config: [
      ...login('sasl'),
      'listener.name.token.sasl.enabled.mechanisms=OAUTHBEARER',
      'listener.name.token.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;',
      ...login('both'),
      'ssl.keystore.type=PEM',
      `ssl.keystore.certificate.chain=${inOneLine(cert)}`,
      `ssl.keystore.key=${inOneLine(key)}`,
      'ssl.truststore.type=PEM',
      `ssl.truststore.certificates=${inOneLine(certificates.ca)}`,
      'listener.name.mutual.ssl.client.auth=required',
    ],
  })
}

describe.skipIf(!running)('connections to Kafka', () => {
  const at = (listener: string) => `127.0.0.1:${running?.ports[listener]}`
  const { ca } = certificates
  const login = { username: 'app', password: 'app-secret' }

  async function works(options: Parameters<ReturnType<typeof openRoom>['connected']>[0]): Promise<void> {
    const { topic, group, ...room } = openRoom('')
    const driver = await room.connected(options)
    const reader = await member(driver, { topics: [topic], group, acknowledges: true })
    await driver.publish(messages(topic, 3))
    await reader.nth(3)
  }

  test.each(['plain', 'scram-sha-256', 'scram-sha-512'])('a login by %s, with and without TLS', async (mechanism) => {
    await works({ url: at('SASL'), auth: { ...login, mechanism } })
    await works({ url: at('BOTH'), auth: { ...login, mechanism }, tls: { ca } })
  })

  test('TLS, and TLS with a certificate of our own', async () => {
    await works({ url: at('TLS'), tls: { ca } })
    await works({ url: at('MUTUAL'), tls: { ca, ...client } })
  })

  test('a login, a socket and details of TLS that only kafkajs has options for', async () => {
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
    // Kafka takes tokens without a signature unless told otherwise.
    const token = [part({ alg: 'none' }), part({ sub: 'app', iat: Date.now() / 1000, exp: Date.now() / 1000 + 3_600 }), ''].join('.')
    const sasl = { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value: token }) }
    let sockets = 0
    const socketFactory: ISocketFactory = ({ host, port, onConnect }) => {
      sockets++
      return net.connect({ host, port }, onConnect)
    }
    await works({ url: at('TOKEN'), client: { sasl, socketFactory } })
    expect(sockets).toBeGreaterThan(2)
    const stranger = { ssl: { servername: 'somebody.else' } }
    await expect(openRoom('').connected({ url: at('TLS'), tls: { ca }, client: stranger })).rejects.toMatchObject({
      code: 'CONNECT',
      message: /somebody.else/,
    })
  })

  test('a wrong password, authority or certificate fails at once, in words and without the secret', async () => {
    const room = openRoom('')
    const started = performance.now()
    for (const mechanism of ['plain', 'scram-sha-256']) {
      const wrong = await room
        .connected({ url: at('SASL'), auth: { username: 'app', password: 'not-this-one', mechanism } })
        .catch((error) => error)
      expect(wrong).toMatchObject({ code: 'CONNECT', message: expect.stringMatching(/user or password is wrong/) })
      expect(`${wrong} ${wrong.cause}`).not.toContain('not-this-one')
    }
    await expect(room.connected({ url: at('TLS'), tls: { ca: stranger.ca } })).rejects.toMatchObject({
      code: 'CONNECT',
      message: /certificate/,
    })
    expect(performance.now() - started).toBeLessThan(8_000)
  })

  test('the wrong kind of listener is told with what to look at', async () => {
    const room = openRoom('')
    const question = { code: 'CONNECT', message: expect.stringMatching(/does this listener expect TLS or a login/) }
    await expect(room.connected({ url: at('TLS'), publishTimeoutMs: 500 })).rejects.toMatchObject(question)
    await expect(room.connected({ url: at('SASL'), publishTimeoutMs: 500 })).rejects.toMatchObject(question)
    await expect(room.connected({ url: at('MUTUAL'), tls: { ca }, publishTimeoutMs: 500 })).rejects.toMatchObject({ code: 'CONNECT' })
  })

  test('where nobody listens, it says so after its time', async () => {
    const room = openRoom('')
    await expect(room.connected({ url: '127.0.0.1:9', publishTimeoutMs: 300 })).rejects.toMatchObject({
      code: 'CONNECT',
      message: /127.0.0.1:9.*ECONNREFUSED/,
    })
  })

  test('of several servers one that answers is enough', async () => {
    await works({ url: `127.0.0.1:9,${running?.url}` })
  })
})

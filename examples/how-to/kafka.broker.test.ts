import { createMessaging, type Messaging } from '@corebus/core'
import { authority, startKafka } from '@corebus/testbed'
import { Kafka as Client, logLevel } from 'kafkajs'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { feed, overTls } from './kafka.ts'

process.env.LOG_LEVEL = 'silent'
const certificates = await authority()
const [server, client] = [await certificates.sign('server'), await certificates.sign('payments')]
const inOneLine = (text: string) => text.trim().replaceAll('\n', '\\n')
const running = await startKafka({
  listeners: { SECURE: 'SASL_SSL' },
  format: ['--add-scram', 'SCRAM-SHA-512=[name=payments,password=secret]'],
  config: [
    'listener.name.secure.sasl.enabled.mechanisms=SCRAM-SHA-512',
    'listener.name.secure.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;',
    'listener.name.secure.ssl.client.auth=required',
    ...['ssl.keystore.type=PEM', 'ssl.truststore.type=PEM'],
    `ssl.keystore.certificate.chain=${inOneLine(server.cert)}`,
    `ssl.keystore.key=${inOneLine(server.key)}`,
    `ssl.truststore.certificates=${inOneLine(certificates.ca)}`,
  ],
})
afterAll(async () => {
  await running?.stop()
  certificates.remove()
})

const closing = (messaging: Messaging): Messaging => {
  onTestFinished(() => messaging.close())
  return messaging
}

describe.skipIf(!running)('a Kafka with TLS and users', () => {
  const secure = `127.0.0.1:${running?.ports.SECURE}`

  test('a service with a password and certificates publishes and handles', async () => {
    const messaging = closing(overTls(secure, { password: 'secret', ca: certificates.ca, ...client }))
    const handled = new Promise((resolve) => messaging.handle({ topic: 'over-tls' }, resolve))
    await messaging.start()
    await messaging.getProducer().send('over-tls', { n: 1 })
    expect(await handled).toEqual({ n: 1 })
  })

  test('the same by nothing but the environment', async () => {
    const file = (name: string) => `${certificates.folder}/${name}`
    const env = {
      MESSAGING_BROKER: 'kafka',
      KAFKA_BOOTSTRAP_SERVERS: secure,
      KAFKA_SASL_MECHANISM: 'scram-sha-512',
      MESSAGING_USERNAME: 'payments',
      MESSAGING_PASSWORD: 'secret',
      MESSAGING_TLS_CA: file('ca.pem'),
      MESSAGING_TLS_CERT: file('payments.pem'),
      MESSAGING_TLS_KEY: file('payments.key'),
      LOG_LEVEL: 'silent',
    }
    await closing(createMessaging({ service: 'payments', env }))
      .getProducer()
      .send('over-tls', { n: 2 })
  })
})

test.skipIf(!running)('topics are made with the partitions that are asked for', async () => {
  const url = running?.url ?? ''
  const producer = closing(feed(url)).getProducer()
  await producer.send('order-events', {})
  await producer.send('another', {})
  const admin = new Client({ brokers: [url], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  const { topics } = await admin.fetchTopicMetadata({ topics: ['order-events', 'another'] })
  await admin.disconnect()
  // In whichever order the broker names them.
  expect(Object.fromEntries(topics.map(({ name, partitions }) => [name, partitions.length]))).toEqual({ 'order-events': 48, another: 6 })
})

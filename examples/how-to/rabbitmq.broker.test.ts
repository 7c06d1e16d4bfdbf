import { createMessaging, type Messaging } from '@corebus/core'
import { authority, freePort, startRabbitmq } from '@corebus/testbed'
import { connect } from 'amqplib'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { overTls, payments, RIGHTS } from './rabbitmq.ts'
import { nextSettlement } from './settlement.ts'

process.env.LOG_LEVEL = 'silent'
const certificates = await authority()
const [server, client] = [await certificates.sign('server'), await certificates.sign('payments')]
expect(server.cert).toContain('CERTIFICATE')
const tlsPort = await freePort()
const running = await startRabbitmq({
  plugins: ['rabbitmq_auth_mechanism_ssl'],
  config: [
    `listeners.ssl.1 = 127.0.0.1:${tlsPort}`,
    `ssl_options.cacertfile = ${certificates.folder}/ca.pem`,
    `ssl_options.certfile = ${certificates.folder}/server.pem`,
    `ssl_options.keyfile = ${certificates.folder}/server.key`,
    'ssl_options.verify = verify_peer',
    'ssl_options.fail_if_no_peer_cert = true',
    'auth_mechanisms.1 = PLAIN',
    'auth_mechanisms.2 = EXTERNAL',
    'ssl_cert_login_from = common_name',
  ],
})
await running?.ctl('add_vhost', 'production')
await running?.ctl('add_user', 'payments', 'secret')
await running?.ctl('set_permissions', '-p', 'production', 'payments', '.*', '.*', '.*')
afterAll(async () => {
  await running?.stop()
  certificates.remove()
})

const closing = <T extends Messaging>(messaging: T): T => {
  onTestFinished(() => messaging.close())
  return messaging
}

describe.skipIf(!running)('a RabbitMQ with TLS and users', () => {
  const secure = `amqps://localhost:${tlsPort}/production`

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
      MESSAGING_BROKER: 'rabbitmq',
      RABBITMQ_URL: secure,
      MESSAGING_USERNAME: 'payments',
      MESSAGING_PASSWORD: 'secret',
      MESSAGING_TLS_CA: file('ca.pem'),
      MESSAGING_TLS_CERT: file('payments.pem'),
      MESSAGING_TLS_KEY: file('payments.key'),
      LOG_LEVEL: 'silent',
    }
    const messaging = closing(createMessaging({ service: 'payments', env }))
    await messaging.getProducer().send('over-tls', { n: 2 })
  })

  test('a certificate alone says who it is, with ?auth_mechanism=external', async () => {
    const url = `${secure}?auth_mechanism=external`
    const tls = { ca: certificates.ca, ...client }
    const messaging = closing(createMessaging({ service: 'payments', broker: 'rabbitmq', url, tls }))
    await messaging.getProducer().send('over-tls', { n: 3 })
  })
})

describe.skipIf(!running)('a service that may create nothing', { timeout: 120_000 }, () => {
  const where = (user: string) => `amqp://${user}@${new URL(running?.url ?? 'amqp://x').host}/`
  const charge = { order_id: 7, amount: 12, card_token: 'tok' }
  let failing = true
  const options = { charge: () => (failing ? Promise.reject(new Error('the gateway is closed')) : Promise.resolve()) }

  test('does all its work with the rights that are documented, once everything is there', async () => {
    await running?.ctl('set_permissions', 'payments', RIGHTS.configure, RIGHTS.write, RIGHTS.read)
    const early = closing(payments({ ...options, url: where('payments:secret'), topology: 'check' }))
    await expect(early.start()).rejects.toMatchObject({ code: 'TOPOLOGY', message: expect.stringContaining('payments.process') })

    const maker = payments({ ...options, url: where('guest:guest'), topology: 'create' })
    await maker.start()
    await maker.publishEvent('payment.completed', { order_id: 0 }, { topic: 'payment-events' })
    await maker.close()

    const messaging = closing(payments({ ...options, url: where('payments:secret'), topology: 'check' }))
    await messaging.start()
    const retried = nextSettlement()
    await messaging.getProducer().send('payments.process', charge)
    expect(await retried).toMatchObject({ settlement: 'retry', afterMs: 1_000 })
    expect(await nextSettlement()).toMatchObject({ settlement: 'deadLetter', attempt: 2 })
    failing = false
    const settled = nextSettlement()
    await messaging.getProducer().send('payments.process', charge)
    expect(await settled).toMatchObject({ settlement: 'ack' })
    await messaging.close()

    const connection = await connect(where('guest:guest'))
    const channel = await connection.createChannel()
    expect(await channel.checkQueue('payments.process.payments.dlq')).toMatchObject({ messageCount: 1 })
    expect(await channel.checkQueue('payment-events.unclaimed')).toMatchObject({ messageCount: 2 })
    await connection.close()
  })

  test('keeps the order of keys if it may make two queues more', async () => {
    const ordered = (user: string, topology: 'create' | 'check') => {
      const messaging = closing(createMessaging({ service: 'ledger', broker: 'rabbitmq', url: where(user), topology }))
      const handled = new Promise((resolve) => messaging.handle({ topic: 'bookings', group: 'ledger', ordering: 'key' }, resolve))
      return { messaging, handled }
    }
    const maker = ordered('guest:guest', 'create')
    await maker.messaging.start()
    await maker.messaging.close()

    await running?.ctl('add_user', 'ledger', 'secret')
    const [write, read] = ['^(bookings|corebus:delay|amq\\.default)$', '^(corebus:topology|bookings(:ledger.*|\\.unclaimed))$']
    await running?.ctl('set_permissions', 'ledger', '^$', write, read)
    await expect(ordered('ledger:secret', 'check').messaging.start()).rejects.toMatchObject({ code: 'ACCESS_REFUSED' })
    await running?.ctl('set_permissions', 'ledger', '^bookings:ledger:(owner|handed-back)$', write, read)
    const { messaging, handled } = ordered('ledger:secret', 'check')
    await messaging.start()
    await messaging.getProducer().send('bookings', { n: 1 }, { key: 'a' })
    expect(await handled).toEqual({ n: 1 })
  })

  test('is told what it lacks when it tries to create', async () => {
    const messaging = closing(payments({ ...options, url: where('payments:secret'), topology: 'create' }))
    messaging.handle({ topic: 'refunds.process' }, () => undefined)
    await expect(messaging.start()).rejects.toMatchObject({ code: 'ACCESS_REFUSED', message: expect.stringContaining("topology: 'check'") })
  })
})

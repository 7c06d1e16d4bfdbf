import { chaosProxy } from '@corebus/testbed'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { PATIENCE_MS } from '../fixtures/booted.ts'
import { shop } from '../fixtures/shop.ts'
import { started } from '../fixtures/started.ts'
import { openPlace } from '../load/places.ts'
import { becomes } from './client.ts'
import { SERVICES } from './system.ts'
import { TOPICS } from './topics.ts'

const place = await openPlace('Kafka, MariaDB and MongoDB')
afterAll(() => place?.close())

describe.skipIf(!place)('npm run start:ecommerce -- --broker kafka --write mysql --read mongodb', () => {
  it('makes the topics, waits for a database that is still starting, and sells', { timeout: 5 * PATIENCE_MS }, async () => {
    const { KAFKA_BOOTSTRAP_SERVERS: KAFKA_BROKERS, MONGO_URI, MYSQL_DSN = '' } = place?.env ?? {}
    const port = new URL(MYSQL_DSN).port
    const proxy = await chaosProxy({ port: Number(port) })
    onTestFinished(() => proxy.close())
    await proxy.refuse()
    const env = { KAFKA_BROKERS, MONGO_URI, MYSQL_DSN: MYSQL_DSN.replace(port, String(proxy.port)) }
    const { run, firstPort, says, up, end } = await started(['--broker', 'kafka', '--write', 'mysql', '--read', 'mongodb'], env)
    onTestFinished(end)
    await says(`${TOPICS.length} topics are there`)
    await says(/^order-service .*order-service ended by itself \(exit code 1\), and is started again in 2 s$/m)
    await proxy.accept()
    await up()
    const on = shop({ url: (service) => `http://127.0.0.1:${firstPort + SERVICES.indexOf(service)}` })
    const order = await on.order(await on.user(), [await on.product(1), 1])
    await becomes(on.ask, `/q/orders/${order}`, { status: 'RESERVED' }, PATIENCE_MS)
    run.process.kill('SIGINT')
    expect(await run.ended).toBe(0)
  })
})

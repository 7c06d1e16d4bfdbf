import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { describe, expect, it } from 'vitest'
import { composeFile } from '../../../scripts/compose.ts'
import { serviceEnv, serviceSettings } from './service-env.ts'
import { folderOf } from './service-process.ts'
import { SERVICES } from './system.ts'

const QUERY = 'query-service'

describe('the environment of a service', () => {
  it('is the one that is there, with a port of its own', () => {
    const ports = SERVICES.map((service) => serviceEnv(service, {}, { PORT: '1', LOG_LEVEL: 'info' }).PORT)
    expect(ports).toEqual(SERVICES.map((_, at) => String(8081 + at)))
    expect(serviceEnv('order-service', { firstPort: 9081 }, {}).PORT).toBe('9083')
    expect(serviceEnv('order-service', {}, { LOG_LEVEL: 'info' }).LOG_LEVEL).toBe('info')
  })

  it.each(SERVICES)('has the port that .env.example of %s says', (service) => {
    expect(serviceEnv(service, {}, {}).PORT).toBe(parseEnv(readFileSync(join(folderOf(service), '.env.example'), 'utf8')).PORT)
  })

  it.each([
    ['kafka', { KAFKA_BOOTSTRAP_SERVERS: 'localhost:9092' }],
    ['rabbitmq', { RABBITMQ_URL: 'amqp://guest:guest@localhost:5672' }],
    ['redis', { REDIS_URL: 'redis://localhost:6379' }],
  ] as const)('%s is the one of docker-compose.yaml, unless a variable says where it is', (broker, address) => {
    const [variable] = Object.keys(address) as [keyof typeof address]
    expect(serviceEnv('user-service', { broker }, {})).toMatchObject({ MESSAGING_BROKER: broker, ...address })
    expect(serviceEnv('user-service', { broker }, { [variable]: 'there' })[variable]).toBe('there')
  })

  it('KAFKA_BROKERS says where Kafka is', () => {
    const env = { KAFKA_BROKERS: 'there:9092' }
    expect(serviceSettings('user-service', { broker: 'kafka' }, env).messagingEnv).toMatchObject({
      MESSAGING_BROKER: 'kafka',
      KAFKA_BOOTSTRAP_SERVERS: 'there:9092',
    })
  })

  it.each([
    ['sqlite', { kind: 'sqlite' }],
    ['mysql', { kind: 'mysql', url: 'mysql://ecommerce:ecommerce@localhost:3306/ecommerce' }],
    ['postgres', { kind: 'postgres', url: 'postgres://ecommerce:ecommerce@localhost:5432/ecommerce' }],
  ] as const)('--write %s wins over what the environment says of another database', (write, database) => {
    const env = { MYSQL_DSN: write === 'postgres' ? 'mysql://there/x' : '', POSTGRES_DSN: write === 'postgres' ? '' : 'postgres://there/x' }
    expect(serviceSettings('order-service', { write }, env).database).toMatchObject(database)
  })

  it('--write mysql is the one that MYSQL_DSN names', () => {
    const env = { MYSQL_DSN: 'mysql://there/x' }
    expect(serviceSettings('order-service', { write: 'mysql' }, env).database).toEqual({ kind: 'mysql', url: 'mysql://there/x' })
  })

  it.each([
    ['mongodb', { mongoUri: 'mongodb://admin:admin@localhost:27017/ecommerce?authSource=admin', database: { kind: 'mysql' } }],
    ['postgres', { mongoUri: undefined, database: { kind: 'postgres' } }],
    ['sqlite', { mongoUri: undefined, database: { kind: 'sqlite' } }],
  ] as const)('--read %s is for query-service alone', (read, settings) => {
    const env = { MONGO_URI: read === 'mongodb' ? '' : 'mongodb://there/x' }
    expect(serviceSettings(QUERY, { write: 'mysql', read }, env)).toMatchObject(settings)
    expect(serviceSettings('order-service', { write: 'mysql', read }, env).database.kind).toBe('mysql')
  })

  it.each([
    ['mysql', {}, { mongoUri: undefined, database: { kind: 'sqlite' } }],
    ['mysql', { MONGO_URI: 'mongodb://there/x' }, { mongoUri: 'mongodb://there/x', database: { kind: 'mysql' } }],
    ['postgres', {}, { mongoUri: undefined, database: { kind: 'postgres' } }],
  ] as const)('--write %s alone, with %j, leaves the read model where it can be', (write, env, settings) => {
    expect(serviceSettings(QUERY, { write }, env)).toMatchObject(settings)
  })

  it('its addresses are ports that docker-compose.yaml publishes', () => {
    const published = Object.values(composeFile().services).flatMap(({ ports = [] }) => ports.map((port) => port.split(':')[1]))
    const all = [
      ...(['kafka', 'rabbitmq', 'redis'] as const).map((broker) => serviceEnv(QUERY, { broker }, {})),
      ...(['mysql', 'postgres'] as const).map((write) => serviceEnv(QUERY, { write, read: 'mongodb' }, {})),
    ].flatMap((env) => Object.values(env).flatMap((value) => /localhost:(\d+)/.exec(value ?? '')?.[1] ?? []))
    expect(new Set(all)).toEqual(new Set(['9092', '5672', '6379', '3306', '5432', '27017']))
    for (const port of all) expect(published).toContain(port)
  })
})

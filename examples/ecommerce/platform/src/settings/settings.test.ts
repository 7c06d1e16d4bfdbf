import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { describe, expect, it } from 'vitest'
import { readDuration, readSettings, SettingsError } from './settings.ts'

const settings = (env: NodeJS.ProcessEnv) => readSettings('user-service', { port: 8081, env })
const refused = (env: NodeJS.ProcessEnv): string => {
  try {
    settings(env)
  } catch (thrown) {
    if (thrown instanceof SettingsError) return thrown.message
  }
  return 'nothing'
}

describe('settings', () => {
  it('without variables are those of development: an embedded database, the usual port', () => {
    expect(settings({})).toMatchObject({
      env: 'development',
      port: 8081,
      database: { kind: 'sqlite' },
      mongoUri: undefined,
      messagingEnv: {},
    })
  })

  it("are the seed's variables", () => {
    const env = {
      ENV: 'production',
      MYSQL_DSN: 'mysql://ecommerce:ecommerce@mysql:3306/ecommerce',
      MONGO_URI: 'mongodb://admin:admin@mongo:27017/ecommerce?authSource=admin',
      KAFKA_BROKERS: 'kafka:9092',
      OUTBOX_POLL_INTERVAL: '1s',
      PORT: '9000',
    }
    expect(settings(env)).toMatchObject({
      env: 'production',
      port: 9_000,
      database: { kind: 'mysql', url: env.MYSQL_DSN },
      mongoUri: env.MONGO_URI,
      messagingEnv: {
        NODE_ENV: 'production',
        MESSAGING_BROKER: 'kafka',
        KAFKA_BOOTSTRAP_SERVERS: 'kafka:9092',
        OUTBOX_POLL_INTERVAL: '1s',
      },
    })
  })

  it.each(['user-service', 'product-service', 'order-service'])('.env.example of %s is right, with what it leaves out too', (service) => {
    const text = readFileSync(new URL(`../../../${service}/.env.example`, import.meta.url), 'utf8')
    const here = readSettings(service, { port: 1, env: parseEnv(text) })
    expect(here).toMatchObject({ env: 'development', database: { kind: 'sqlite' } })
    expect(here.port).not.toBe(1)
    const all = parseEnv(text.replaceAll(/^#(?=\w+=)/gm, ''))
    expect(readSettings(service, { port: 1, env: { ...all, POSTGRES_DSN: '' } }).database.kind).toBe('mysql')
    expect(readSettings(service, { port: 1, env: { ...all, MYSQL_DSN: '' } })).toMatchObject({
      database: { kind: 'postgres' },
      messagingEnv: { KAFKA_BOOTSTRAP_SERVERS: 'localhost:9092' },
    })
  })

  it("Go's form of MYSQL_DSN is refused with the URL to use, and without the password", () => {
    const said = refused({ MYSQL_DSN: 'ecommerce:secret@tcp(mysql:3306)/ecommerce?parseTime=true' })
    expect(said).toContain('mysql://ecommerce:<password>@mysql:3306/ecommerce')
    expect(said).not.toContain('secret')
  })

  it('everything that is wrong is said at once', () => {
    const said = refused({ PORT: 'http', ENV: 'staging', MYSQL_DSN: 'mysql', MONGO_URI: 'mongo', OUTBOX_POLL_INTERVAL: 'often' })
    for (const name of ['PORT', 'ENV', 'MYSQL_DSN', 'MONGO_URI', 'OUTBOX_POLL_INTERVAL']) expect(said).toContain(`  ${name} `)
  })

  it.each([
    [{ KAFKA_BROKERS: 'a:9092', KAFKA_BOOTSTRAP_SERVERS: 'b:9092' }, 'KAFKA_BROKERS and KAFKA_BOOTSTRAP_SERVERS'],
    [{ ENV: 'production', NODE_ENV: 'development' }, 'ENV and NODE_ENV'],
    [{ MYSQL_DSN: 'mysql://a/b', POSTGRES_DSN: 'postgres://a/b' }, 'MYSQL_DSN and POSTGRES_DSN'],
  ])('two names for one thing may not disagree: %j', (env, names) => {
    expect(refused(env)).toContain(names)
  })

  it('KAFKA_BROKERS is not looked at where MESSAGING_BROKER names another broker', () => {
    expect(settings({ MESSAGING_BROKER: 'rabbitmq', KAFKA_BROKERS: 'kafka:9092' }).messagingEnv).not.toHaveProperty(
      'KAFKA_BOOTSTRAP_SERVERS',
    )
  })

  it('a database in memory is named by ECOMMERCE_DATA, for tests', () => {
    expect(settings({ ECOMMERCE_DATA: ':memory:' }).database).toEqual({ kind: 'sqlite', file: ':memory:' })
  })

  it('a PostgreSQL is named by POSTGRES_DSN', () => {
    const url = 'postgres://shop@localhost:5432/shop'
    expect(settings({ POSTGRES_DSN: url }).database).toEqual({ kind: 'postgres', url })
  })

  it.each([
    ['250ms', 250],
    ['1s', 1_000],
    ['15m', 900_000],
    ['2h', 7_200_000],
    ['40', 40],
  ])('%s is a time', (text, ms) => {
    expect(readDuration('ORDER_EXPIRES_AFTER', 1, { ORDER_EXPIRES_AFTER: text })).toBe(ms)
  })

  it.each(['', 'soon', '-1s', '1.5s', '1d'])('%j is no time, or none is said', (text) => {
    const read = () => readDuration('ORDER_EXPIRES_AFTER', 7, { ORDER_EXPIRES_AFTER: text })
    if (text === '') expect(read()).toBe(7)
    else expect(read).toThrow(SettingsError)
  })
})

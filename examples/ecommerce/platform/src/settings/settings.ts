import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { mongoUri, mysqlUrl, postgresUrl, WrongValue } from './dsn.ts'
import { durationMs } from './duration.ts'

export interface Settings {
  readonly service: string
  readonly env: 'development' | 'test' | 'production'
  readonly port: number
  /** The database that this service writes into. */
  readonly database: DatabaseAddress
  /** The address of the read model, for the service that has one. */
  readonly mongoUri: string | undefined
  /** The environment that the SDK reads, with this example's names for the same things put in. */
  readonly messagingEnv: NodeJS.ProcessEnv
}

export type DatabaseAddress =
  | { readonly kind: 'sqlite'; readonly file: string }
  | { readonly kind: 'mysql'; readonly url: string }
  | { readonly kind: 'postgres'; readonly url: string }

export type Env = NodeJS.ProcessEnv

/** The value of ECOMMERCE_DATA for a database that ends with its process: for tests. */
export const IN_MEMORY = ':memory:'

const DATA = fileURLToPath(new URL('../../../../../.core/ecommerce', import.meta.url))

/** The error that says what is wrong with the environment, all of it at once. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError'
}

/** @throws SettingsError that names every variable that is wrong, and what to set instead. */
export function readSettings(service: string, { port, env = process.env }: { port: number; env?: Env }): Settings {
  const wrong: string[] = []
  const read = <T>(name: string, fallback: T, parse: (text: string) => T): T => {
    const text = env[name]
    if (!text) return fallback
    try {
      return parse(text)
    } catch (thrown) {
      wrong.push(`${name} ${thrown instanceof WrongValue ? thrown.message : String(thrown)}`)
      return fallback
    }
  }
  for (const [ours, theirs] of SAME)
    if (env[ours] && env[theirs] && env[ours] !== env[theirs])
      wrong.push(`${ours} and ${theirs} are two names for one thing and disagree: set one of them`)
  if (env.MYSQL_DSN && env.POSTGRES_DSN) wrong.push('MYSQL_DSN and POSTGRES_DSN are both set: a service writes into one database')
  const settings: Settings = {
    service,
    env: read('ENV', environmentOf(env.NODE_ENV), oneOfEnvironments),
    port: read('PORT', port, portOf),
    database: databaseOf(service, env, read),
    mongoUri: read<string | undefined>('MONGO_URI', undefined, mongoUri),
    messagingEnv: messagingEnv(env),
  }
  // The SDK reads it, and would say so at its first connection: here it is said with the others.
  read('OUTBOX_POLL_INTERVAL', 0, (text) => milliseconds(text))
  if (wrong.length > 0) throw new SettingsError(`${service} cannot start:\n${wrong.map((line) => `  ${line}`).join('\n')}`)
  return settings
}

/** The seed's names, and the SDK's for the same thing. */
const SAME = [
  ['ENV', 'NODE_ENV'],
  ['KAFKA_BROKERS', 'KAFKA_BOOTSTRAP_SERVERS'],
] as const

/** A duration of the environment, such as ORDER_EXPIRES_AFTER. @throws SettingsError */
export function readDuration(name: string, fallbackMs: number, env: Env = process.env): number {
  const text = env[name]
  if (!text) return fallbackMs
  try {
    return milliseconds(text)
  } catch (thrown) {
    throw new SettingsError(`${name} ${(thrown as Error).message}`)
  }
}

type Read = <T>(name: string, fallback: T, parse: (text: string) => T) => T

function databaseOf(service: string, env: Env, read: Read): DatabaseAddress {
  const folder = env.ECOMMERCE_DATA || DATA
  const file: DatabaseAddress = { kind: 'sqlite', file: folder === IN_MEMORY ? IN_MEMORY : join(folder, `${service}.db`) }
  const mysql = read<DatabaseAddress>('MYSQL_DSN', file, (text) => ({ kind: 'mysql', url: mysqlUrl(text) }))
  return read('POSTGRES_DSN', mysql, (text) => ({ kind: 'postgres', url: postgresUrl(text) }))
}

function messagingEnv(env: Env): Env {
  const { ENV, KAFKA_BROKERS, ...others } = env
  const theirs = { ...others, ...(ENV && { NODE_ENV: ENV }) }
  if (!KAFKA_BROKERS || (env.MESSAGING_BROKER && env.MESSAGING_BROKER !== 'kafka')) return theirs
  return { ...theirs, MESSAGING_BROKER: 'kafka', KAFKA_BOOTSTRAP_SERVERS: KAFKA_BROKERS }
}

const ENVIRONMENTS = ['development', 'test', 'production'] as const

function oneOfEnvironments(text: string): Settings['env'] {
  const known = ENVIRONMENTS.find((name) => name === text)
  if (!known) throw new WrongValue(`is one of ${ENVIRONMENTS.join(', ')}`)
  return known
}

const environmentOf = (text: string | undefined): Settings['env'] => ENVIRONMENTS.find((name) => name === text) ?? 'development'

function portOf(text: string): number {
  const port = Number(text)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new WrongValue('is a number from 0 to 65535')
  return port
}

function milliseconds(text: string): number {
  const ms = durationMs(text)
  if (ms === undefined) throw new WrongValue('is a time such as 500ms, 1s or 15m')
  return ms
}

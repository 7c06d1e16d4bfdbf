import { edits } from '../options/spelling.ts'
import type { BrokerName } from './messaging-options.ts'

export type Env = Readonly<Record<string, string | undefined>>

/** What the SDK reads, and for which broker; '' for any. */
const VARIABLES: Readonly<Record<string, BrokerName | ''>> = {
  MESSAGING_BROKER: '',
  MESSAGING_DEFAULT_TOPIC: '',
  MESSAGING_ALLOW_IN_TESTS: '',
  MESSAGING_USERNAME: '',
  MESSAGING_PASSWORD: '',
  MESSAGING_TLS_CA: '',
  MESSAGING_TLS_CERT: '',
  MESSAGING_TLS_KEY: '',
  KAFKA_BOOTSTRAP_SERVERS: 'kafka',
  KAFKA_SASL_MECHANISM: 'kafka',
  RABBITMQ_URL: 'rabbitmq',
  BROKER_HOST: 'rabbitmq',
  BROKER_PORT: 'rabbitmq',
  BROKER_USER: 'rabbitmq',
  BROKER_PASSWORD: 'rabbitmq',
  BROKER_VHOST: 'rabbitmq',
  REDIS_URL: 'redis',
  REDIS_HOST: 'redis',
  REDIS_PORT: 'redis',
  REDIS_DB: 'redis',
  REDIS_USER: 'redis',
  REDIS_PASSWORD: 'redis',
  SQLITE_PATH: 'sqlite',
  SERVICE_NAME: '',
  API_NAME: '',
  LOG_LEVEL: '',
  HEALTH_PORT: '',
  HEALTH_HOST: '',
  OUTBOX_POLL_INTERVAL: '',
}

// APP_NAME, API_NAMES and their like are everybody's own.
const NO_HINT_FOR = new Set(['API_NAME'])

/** The value of a variable; one that is empty or blank counts as not set. */
export function envValue(env: Env, name: string): string | undefined {
  const value = env[name]
  return value === undefined || value.trim() === '' ? undefined : value
}

/** Of several variables, those that are set, in order. */
export function setOf(env: Env, names: readonly string[]): readonly string[] {
  return names.filter((name) => envValue(env, name) !== undefined)
}

/** One line for each variable that is one edit away from ours. `named` is the broker somebody named: the others' variables are not looked for. */
export function misspelt(env: Env, named: BrokerName | undefined): readonly string[] {
  const wanted = Object.keys(VARIABLES).filter((ours) => {
    const broker = VARIABLES[ours]
    return !NO_HINT_FOR.has(ours) && (named === undefined || broker === '' || broker === named)
  })
  return Object.keys(env)
    .filter((name) => !Object.hasOwn(VARIABLES, name) && envValue(env, name) !== undefined)
    .flatMap((name) => {
      const upper = name.toUpperCase()
      const ours = wanted.find((known) => Math.abs(known.length - name.length) <= 1 && edits(upper, known) <= 1)
      return ours === undefined ? [] : [`${name} is set and is not read: did you mean ${ours}?`]
    })
}

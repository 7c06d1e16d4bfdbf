import { CorebusError } from '../errors.ts'
import { Mistakes, type Reading, read, wrong } from '../options/reading.ts'
import { type Env, envValue, setOf } from './env.ts'

export const BROKER_PARTS: readonly string[] = ['BROKER_HOST', 'BROKER_PORT', 'BROKER_USER', 'BROKER_PASSWORD', 'BROKER_VHOST']
export const REDIS_PARTS: readonly string[] = ['REDIS_HOST', 'REDIS_PORT', 'REDIS_DB', 'REDIS_USER', 'REDIS_PASSWORD']

/** An address out of the environment. */
export interface Found {
  readonly url: string
  /** The variables it was made of, in words; undefined when none is set and it is the default. */
  readonly from: string | undefined
  /** The port is the default one, which with TLS is another. */
  readonly portIsDefault: boolean
  /** Somebody gave user or password; guest:guest is nobody's wish. */
  readonly credentialsGiven: boolean
}

/** `RABBITMQ_URL`, else what BROKER_HOST, BROKER_PORT, BROKER_USER, BROKER_PASSWORD and BROKER_VHOST compose. @throws CorebusError CONFIG */
export function brokerUrl(env: Env = process.env): string {
  return orThrow(rabbitmqIn(env))
}

/** `REDIS_URL`, else what REDIS_HOST, REDIS_PORT, REDIS_DB, REDIS_USER and REDIS_PASSWORD compose. @throws CorebusError CONFIG */
export function redisUrl(env: Env = process.env): string {
  return orThrow(redisIn(env))
}

function orThrow({ value, mistakes }: Reading<Found>): string {
  if (mistakes.length > 0) throw new CorebusError('CONFIG', mistakes.join('\n'))
  return value.url
}

export function rabbitmqIn(env: Env): Reading<Found> {
  const parts = composedFrom(env, BROKER_PARTS)
  const whole = wholeUrl(env, 'RABBITMQ_URL', parts)
  if (whole) return read(whole)
  const mistakes = new Mistakes()
  const host = mistakes.of(hostIn(env, 'BROKER_HOST'))
  const port = mistakes.of(numberIn(env, 'BROKER_PORT', { least: 1, most: 65_535 }))
  const user = encodeURIComponent(envValue(env, 'BROKER_USER') ?? 'guest')
  const password = encodeURIComponent(envValue(env, 'BROKER_PASSWORD') ?? 'guest')
  const vhost = envValue(env, 'BROKER_VHOST') ?? '/'
  // The path "/" means the virtual host "/", which every client takes when there is no other.
  const path = vhost === '/' ? '' : encodeURIComponent(vhost)
  return mistakes.with({
    url: `amqp://${user}:${password}@${host}:${port ?? 5672}/${path}`,
    from: parts.length > 0 ? parts.join(', ') : undefined,
    portIsDefault: port === undefined,
    credentialsGiven: parts.includes('BROKER_USER') || parts.includes('BROKER_PASSWORD'),
  })
}

export function redisIn(env: Env): Reading<Found> {
  const parts = composedFrom(env, REDIS_PARTS)
  const whole = wholeUrl(env, 'REDIS_URL', parts)
  if (whole) return read(whole)
  const mistakes = new Mistakes()
  const host = mistakes.of(hostIn(env, 'REDIS_HOST'))
  const port = mistakes.of(numberIn(env, 'REDIS_PORT', { least: 1, most: 65_535 }))
  const db = mistakes.of(numberIn(env, 'REDIS_DB', { least: 0, most: 65_535 }))
  const user = encodeURIComponent(envValue(env, 'REDIS_USER') ?? '')
  const password = envValue(env, 'REDIS_PASSWORD')
  const login = password === undefined ? user : `${user}:${encodeURIComponent(password)}`
  return mistakes.with({
    url: `redis://${login === '' ? '' : `${login}@`}${host}:${port ?? 6379}/${db ?? 0}`,
    from: parts.length > 0 ? parts.join(', ') : undefined,
    portIsDefault: port === undefined,
    credentialsGiven: login !== '',
  })
}

/** The parts that are set and meant for us. */
export function composedFrom(env: Env, names: readonly string[]): readonly string[] {
  return setOf(env, names).filter((name) => !isKubernetesLink(env, name))
}

function wholeUrl(env: Env, name: string, parts: readonly string[]): Found | undefined {
  const url = envValue(env, name)?.trim()
  if (url === undefined) return undefined
  const from = parts.length > 0 ? `${name} (${parts.join(', ')} ignored)` : name
  return { url, from, portIsDefault: false, credentialsGiven: url.includes('@') }
}

function hostIn(env: Env, name: string): Reading<string> {
  const host = envValue(env, name)?.trim() ?? 'localhost'
  if (/^[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*$/i.test(host)) return read(`[${host}]`)
  if (/^([\w.-]+|\[[0-9a-f:.]+\])$/i.test(host)) return read(host)
  const mistake = `${name} must be a host name or an IP address alone: the port goes into ${name.replace('HOST', 'PORT')}, a whole URL into ${urlBeside(name)}`
  return { value: host, mistakes: [mistake] }
}

const urlBeside = (name: string) => (name.startsWith('REDIS') ? 'REDIS_URL' : 'RABBITMQ_URL')

function numberIn(env: Env, name: string, { least, most }: { least: number; most: number }): Reading<number | undefined> {
  const text = envValue(env, name)?.trim()
  if (text === undefined || isKubernetesLink(env, name)) return read(undefined)
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN
  return number >= least && number <= most ? read(number) : wrong(`${name} must be a whole number from ${least} to ${most}`)
}

// Kubernetes sets REDIS_PORT=tcp://10.0.0.1:6379 in every pod beside a service named "redis": that is nobody's configuration.
function isKubernetesLink(env: Env, name: string): boolean {
  return name.endsWith('_PORT') && (envValue(env, name)?.startsWith('tcp://') ?? false)
}

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { didYouMean } from '../options/spelling.ts'
import type { Address } from './address.ts'
import { type Env, envValue, setOf } from './env.ts'
import type { AuthOptions, MessagingOptions, TlsOptions } from './messaging-options.ts'
import type { Credentials } from './parse-url.ts'

export interface Secured {
  /** With the scheme and the credentials that were decided on. */
  readonly url: string
  readonly tls: boolean | TlsOptions
  readonly auth?: AuthOptions
}

const TLS_FILES = { ca: 'MESSAGING_TLS_CA', cert: 'MESSAGING_TLS_CERT', key: 'MESSAGING_TLS_KEY' } as const
const LOGIN = ['MESSAGING_USERNAME', 'MESSAGING_PASSWORD']
const MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512']

/** Adds TLS and the user to an address. In the end each is in one place: in the URL of RabbitMQ and Redis (and in `auth`, the same), in `auth` of Kafka. */
export function secure(
  address: Address,
  options: Pick<MessagingOptions, 'tls' | 'auth'>,
  env: Env,
  cwd: string,
  mistakes: string[],
  hints: string[],
): Secured {
  const { broker } = address
  if (broker === 'sqlite' || broker === 'memory') {
    for (const option of ['tls', 'auth'] as const)
      if (options[option]) mistakes.push(`${option} does nothing with the ${broker} broker, which has no server: leave it out`)
    for (const name of setOf(env, [...Object.values(TLS_FILES), ...LOGIN]))
      hints.push(`${name} is set and not read: the ${broker} broker has no server`)
    return { url: address.url, tls: false }
  }
  const tls = tlsOf(address, options.tls, env, cwd, mistakes)
  const auth = authOf(address, options.auth, env, mistakes)
  let url = address.url
  if (broker !== 'kafka') {
    if (tls !== false && !address.tls) url = withTls(url, address.portIsDefault)
    if (auth) url = withLogin(url, auth)
  }
  return { url, tls, ...(auth && { auth }) }
}

function tlsOf(
  address: Address,
  option: boolean | TlsOptions | undefined,
  env: Env,
  cwd: string,
  mistakes: string[],
): boolean | TlsOptions {
  if (option === false) {
    if (address.tls) mistakes.push('tls is false, and the scheme of the address asks for TLS: change one of them')
    return false
  }
  const files = typeof option === 'object' ? option : tlsFiles(env, cwd, mistakes)
  if ((files.cert === undefined) !== (files.key === undefined))
    mistakes.push(
      'TLS needs certificate and key together: give tls.cert and tls.key (MESSAGING_TLS_CERT and MESSAGING_TLS_KEY), or neither',
    )
  if (typeof option === 'object' || Object.keys(files).length > 0) return files
  return option === true || address.tls
}

function tlsFiles(env: Env, cwd: string, mistakes: string[]): TlsOptions {
  const read: { ca?: string; cert?: string; key?: string } = {}
  for (const part of ['ca', 'cert', 'key'] as const) {
    const file = envValue(env, TLS_FILES[part])?.trim()
    if (file === undefined) continue
    read[part] = ''
    try {
      read[part] = readFileSync(resolve(cwd, file), 'utf8')
      if (!read[part].includes('-----BEGIN '))
        mistakes.push(`${TLS_FILES[part]}: ${resolve(cwd, file)} is no PEM file (it has no -----BEGIN line)`)
    } catch (error) {
      const why = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
      // The name only: somebody may have put the certificate itself into the variable.
      const shown = file.includes('-----BEGIN ')
        ? 'the certificate itself, and takes the name of its file'
        : `${resolve(cwd, file)}, which cannot be read (${why})`
      mistakes.push(`${TLS_FILES[part]} is ${shown}`)
    }
  }
  return read
}

function authOf(address: Address, option: AuthOptions | undefined, env: Env, mistakes: string[]): AuthOptions | undefined {
  const login = loginOf(address, option, env, mistakes)
  const mechanism = mechanismOf(address, option, env, mistakes)
  if (login && address.broker === 'kafka') return { ...login, mechanism: mechanism ?? 'plain' }
  if (mechanism !== undefined && address.broker === 'kafka' && option === undefined && setOf(env, LOGIN).length === 0)
    mistakes.push('KAFKA_SASL_MECHANISM is set and nobody logs in: set MESSAGING_USERNAME and MESSAGING_PASSWORD, or unset it')
  return login
}

/** Code before environment; the URL and a login beside it must not disagree. */
function loginOf(address: Address, option: AuthOptions | undefined, env: Env, mistakes: string[]): Credentials | undefined {
  const inUrl = address.credentialsGiven ? address.credentials : undefined
  const fromKafkaUrl = address.broker === 'kafka' ? inUrl : undefined
  if (option) {
    const { username, password } = option
    if (address.level === 'code' && inUrl && differ(inUrl, option))
      mistakes.push('the user is given twice, in the address and in auth: give it once')
    return { username, password }
  }
  if (address.level === 'code' && inUrl) return fromKafkaUrl
  const [username, password] = [envValue(env, 'MESSAGING_USERNAME'), envValue(env, 'MESSAGING_PASSWORD')]
  if (username === undefined && password === undefined) return fromKafkaUrl
  if (username === undefined || password === undefined) {
    const [set, missing] = username === undefined ? [LOGIN[1], LOGIN[0]] : LOGIN
    const redis = address.broker === 'redis' && username === undefined ? ' (the user of a Redis that has only a password is "default")' : ''
    mistakes.push(`${set} is set and ${missing} is not: set both, or neither${redis}`)
    return undefined
  }
  if (inUrl && differ(inUrl, { username, password }))
    mistakes.push(`the user is given twice, in ${address.why} and in MESSAGING_USERNAME and MESSAGING_PASSWORD: give it once`)
  return { username, password }
}

const differ = (a: Credentials, b: Credentials) => a.username !== b.username || a.password !== b.password

function mechanismOf(address: Address, option: AuthOptions | undefined, env: Env, mistakes: string[]): string | undefined {
  if (address.broker !== 'kafka') {
    if (option?.mechanism !== undefined) mistakes.push(`auth.mechanism is Kafka's and the broker is ${address.broker}: leave it out`)
    return undefined
  }
  const [name, wish] =
    option?.mechanism === undefined ? ['KAFKA_SASL_MECHANISM', envValue(env, 'KAFKA_SASL_MECHANISM')] : ['auth.mechanism', option.mechanism]
  if (wish === undefined) return undefined
  const mechanism = wish.trim().toLowerCase()
  if (MECHANISMS.includes(mechanism)) return mechanism
  mistakes.push(`${name} must be one of ${MECHANISMS.join(', ')}.${didYouMean(mechanism, MECHANISMS)}`)
  return undefined
}

function withTls(url: string, portIsDefault: boolean): string {
  const secured = url.replace(/^amqp:/i, 'amqps:').replace(/^redis:/i, 'rediss:')
  // RabbitMQ's two default ports differ by TLS; Redis has one.
  return portIsDefault ? secured.replace(':5672/', ':5671/') : secured
}

function withLogin(text: string, { username, password }: Credentials): string {
  const url = new URL(text)
  url.username = encodeURIComponent(username)
  url.password = encodeURIComponent(password)
  return url.href
}

import { resolve } from 'node:path'
import { Mistakes, type Reading, read, wrong } from '../options/reading.ts'
import { didYouMean } from '../options/spelling.ts'
import { fs } from '../process/built-in.ts'
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
export function secure(address: Address, options: Pick<MessagingOptions, 'tls' | 'auth'>, env: Env, cwd: string): Reading<Secured> {
  const { broker } = address
  const mistakes = new Mistakes()
  if (broker === 'sqlite' || broker === 'memory') {
    for (const option of ['tls', 'auth'] as const)
      if (options[option]) mistakes.add(`${option} does nothing with the ${broker} broker, which has no server: leave it out`)
    return mistakes.with({ url: address.url, tls: false })
  }
  const tls = mistakes.of(tlsOf(address, options.tls, env, cwd))
  const auth = mistakes.of(authOf(address, options.auth, env))
  let url = address.url
  if (broker !== 'kafka') {
    if (tls !== false && !address.tls) url = withTls(url, address.portIsDefault)
    if (auth) url = withLogin(url, auth)
  }
  return mistakes.with({ url, tls, ...(auth && { auth }) })
}

/** Variables that are set for a broker that has a server, while this one has none. */
export function unreadIn(env: Env, { broker }: Address): readonly string[] {
  if (broker !== 'sqlite' && broker !== 'memory') return []
  return setOf(env, [...Object.values(TLS_FILES), ...LOGIN]).map(
    (name) => `${name} is set and not read: the ${broker} broker has no server`,
  )
}

function tlsOf(address: Address, option: boolean | TlsOptions | undefined, env: Env, cwd: string): Reading<boolean | TlsOptions> {
  if (option === false) {
    const mistake = 'tls is false, and the scheme of the address asks for TLS: change one of them'
    return { value: false, mistakes: address.tls ? [mistake] : [] }
  }
  const mistakes = new Mistakes()
  const files = typeof option === 'object' ? option : mistakes.of(tlsFiles(env, cwd))
  if ((files.cert === undefined) !== (files.key === undefined))
    mistakes.add('TLS needs certificate and key together: give tls.cert and tls.key (MESSAGING_TLS_CERT and MESSAGING_TLS_KEY), or neither')
  if (typeof option === 'object' || Object.keys(files).length > 0) return mistakes.with(files)
  return mistakes.with(option === true || address.tls)
}

function tlsFiles(env: Env, cwd: string): Reading<TlsOptions> {
  const mistakes = new Mistakes()
  const files: { ca?: string; cert?: string; key?: string } = {}
  for (const part of ['ca', 'cert', 'key'] as const) {
    const file = envValue(env, TLS_FILES[part])?.trim()
    if (file === undefined) continue
    files[part] = ''
    try {
      files[part] = fs().readFileSync(resolve(cwd, file), 'utf8')
      if (!files[part].includes('-----BEGIN '))
        mistakes.add(`${TLS_FILES[part]}: ${resolve(cwd, file)} is no PEM file (it has no -----BEGIN line)`)
    } catch (error) {
      const why = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
      // The name only: somebody may have put the certificate itself into the variable.
      const shown = file.includes('-----BEGIN ')
        ? 'the certificate itself, and takes the name of its file'
        : `${resolve(cwd, file)}, which cannot be read (${why})`
      mistakes.add(`${TLS_FILES[part]} is ${shown}`)
    }
  }
  return mistakes.with(files)
}

function authOf(address: Address, option: AuthOptions | undefined, env: Env): Reading<AuthOptions | undefined> {
  const mistakes = new Mistakes()
  const login = mistakes.of(loginOf(address, option, env))
  const mechanism = mistakes.of(mechanismOf(address, option, env))
  if (login && address.broker === 'kafka') return mistakes.with({ ...login, mechanism: mechanism ?? 'plain' })
  if (mechanism !== undefined && address.broker === 'kafka' && option === undefined && setOf(env, LOGIN).length === 0)
    mistakes.add('KAFKA_SASL_MECHANISM is set and nobody logs in: set MESSAGING_USERNAME and MESSAGING_PASSWORD, or unset it')
  return mistakes.with(login)
}

/** Code before environment; the URL and a login beside it must not disagree. */
function loginOf(address: Address, option: AuthOptions | undefined, env: Env): Reading<Credentials | undefined> {
  const inUrl = address.credentialsGiven ? address.credentials : undefined
  const fromKafkaUrl = address.broker === 'kafka' ? inUrl : undefined
  if (option) {
    const { username, password } = option
    const isTwice = address.level === 'code' && inUrl !== undefined && differ(inUrl, option)
    return { value: { username, password }, mistakes: isTwice ? ['the user is given twice, in the address and in auth: give it once'] : [] }
  }
  if (address.level === 'code' && inUrl) return read(fromKafkaUrl)
  const [username, password] = [envValue(env, 'MESSAGING_USERNAME'), envValue(env, 'MESSAGING_PASSWORD')]
  if (username === undefined && password === undefined) return read(fromKafkaUrl)
  if (username === undefined || password === undefined) {
    const [set, missing] = username === undefined ? [LOGIN[1], LOGIN[0]] : LOGIN
    const redis = address.broker === 'redis' && username === undefined ? ' (the user of a Redis that has only a password is "default")' : ''
    return wrong(`${set} is set and ${missing} is not: set both, or neither${redis}`)
  }
  const twice = `the user is given twice, in ${address.why} and in MESSAGING_USERNAME and MESSAGING_PASSWORD: give it once`
  return { value: { username, password }, mistakes: inUrl && differ(inUrl, { username, password }) ? [twice] : [] }
}

const differ = (a: Credentials, b: Credentials) => a.username !== b.username || a.password !== b.password

function mechanismOf(address: Address, option: AuthOptions | undefined, env: Env): Reading<string | undefined> {
  if (address.broker !== 'kafka') {
    if (option?.mechanism === undefined) return read(undefined)
    return wrong(`auth.mechanism is Kafka's and the broker is ${address.broker}: leave it out`)
  }
  const [name, wish] =
    option?.mechanism === undefined ? ['KAFKA_SASL_MECHANISM', envValue(env, 'KAFKA_SASL_MECHANISM')] : ['auth.mechanism', option.mechanism]
  if (wish === undefined) return read(undefined)
  const mechanism = wish.trim().toLowerCase()
  if (MECHANISMS.includes(mechanism)) return read(mechanism)
  return wrong(`${name} must be one of ${MECHANISMS.join(', ')}.${didYouMean(mechanism, MECHANISMS)}`)
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

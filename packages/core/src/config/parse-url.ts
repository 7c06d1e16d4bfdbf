import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { wrong as mistaken, type Reading, read } from '../options/reading.ts'
import { redactUrl } from '../options/redact.ts'
import type { BrokerName } from './messaging-options.ts'

export interface Credentials {
  readonly username: string
  readonly password: string
}

/** An address that is known to be one of its broker's. */
export interface Parsed {
  /** Kafka: `host:port,host:port`. RabbitMQ and Redis: the URL as it was given. SQLite: an absolute path. */
  readonly url: string
  readonly tls: boolean
  readonly credentials?: Credentials
}

const FORM: Readonly<Record<BrokerName, string>> = {
  kafka: 'host:port, several with commas, or kafka://host:port',
  rabbitmq: 'amqp://user:password@host:5672/vhost, or amqps://',
  redis: 'redis://user:password@host:6379/0, or rediss://',
  sqlite: 'a file: ./messages.db, sqlite:./messages.db or file:///data/messages.db',
  memory: 'memory://name or no address at all',
}

const SCHEME = /^([a-z][a-z0-9+.-]*):\/\//i

/** What a URL says about its broker: its name, 'none' when it has no scheme, 'unknown' when no broker has that scheme. */
export function brokerOf(url: string): BrokerName | 'none' | 'unknown' {
  if (/^amqps?:\/\//i.test(url)) return 'rabbitmq'
  if (/^rediss?:\/\//i.test(url)) return 'redis'
  if (/^kafka:\/\//i.test(url)) return 'kafka'
  if (/^(sqlite|file):/i.test(url)) return 'sqlite'
  if (/^memory:/i.test(url)) return 'memory'
  if (SCHEME.test(url)) return 'unknown'
  return /\.(db|sqlite3?)$/i.test(url) ? 'sqlite' : 'none'
}

/** `source` says where the text was found: it begins the line that says what is wrong, and no line has a secret. */
export function parseUrl(broker: BrokerName, text: string, source: string, cwd: string): Reading<Parsed | undefined> {
  const wrong: Wrong = (why) => mistaken(`${source} ${why}. ${broker} takes ${FORM[broker]}`)
  const says = brokerOf(text)
  if (says === 'unknown' || (says !== 'none' && says !== broker && !(broker === 'kafka' && says === 'sqlite')))
    return wrong(`is ${redactUrl(text)}, which is no address of ${broker}: change the address or the broker`)
  switch (broker) {
    case 'kafka':
      return parseServers(text, wrong)
    case 'rabbitmq':
    case 'redis':
      if (says === 'none') return wrong(`is ${redactUrl(text)}, without a scheme`)
      return parseServerUrl(text, broker, wrong)
    case 'sqlite':
      return parseFile(text, cwd, wrong)
    case 'memory':
      // Instances with the same name share one broker.
      return /^memory:(\/\/[\w.-]*)?$/i.test(text)
        ? read({ url: text, tls: false })
        : wrong('is an address, and the memory broker lives in this process')
  }
}

type Wrong = (why: string) => Reading<undefined>

function parseServers(text: string, wrong: Wrong): Reading<Parsed | undefined> {
  const servers: string[] = []
  const logins = new Set<string>()
  const parts = text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
  // A comma in a password would make its second half look like a user, and be printed as one.
  if (text.includes('@') && !parts[0]?.includes('@'))
    return wrong('has a user, but not on its first server: a comma in a password is written %2C')
  for (const part of parts) {
    const address = part.replace(/^kafka:\/\//i, '').replace(/\/$/, '')
    const at = address.lastIndexOf('@')
    if (at >= 0) logins.add(address.slice(0, at))
    const [, host, port = '9092'] = /^([\w.-]+|\[[0-9a-f:.]+\])(?::(\d+))?$/i.exec(address.slice(at + 1)) ?? []
    if (host === undefined || Number(port) < 1 || Number(port) > 65_535)
      return wrong(`names the server ${redactUrl(part)}, which is not host:port`)
    servers.push(`${host}:${port}`)
  }
  if (servers.length === 0) return wrong('names no server')
  if (logins.size > 1) return wrong('has different users: one user logs in to all servers')
  const [login] = logins
  const credentials = login === undefined ? undefined : split(login)
  if (login !== undefined && credentials === undefined)
    return wrong('has a user or password with a % that encodes nothing: write it as %25')
  return read({ url: servers.join(','), tls: false, ...(credentials && { credentials }) })
}

function parseServerUrl(text: string, broker: 'rabbitmq' | 'redis', wrong: Wrong): Reading<Parsed | undefined> {
  const url = URL.parse(text)
  // Without a proper end of the password its rest would be taken for a path or a query, and its beginning for a host.
  if (!url || !/^([\w.-]+|\[[0-9a-f:.]+\])$/i.test(url.hostname) || /@/.test(url.pathname + url.search + url.hash))
    return wrong(
      `is ${redactUrl(text)}, which cannot be read: one address, and / ? # @ % : in user and password as %2F %3F %23 %40 %25 %3A`,
    )
  if (broker === 'redis' && !/^\/?\d*$/.test(url.pathname))
    return wrong(`is ${redactUrl(text)}: behind the host goes the number of the database`)
  const credentials = url.username === '' && url.password === '' ? undefined : split(`${url.username}:${url.password}`)
  if ((url.username !== '' || url.password !== '') && credentials === undefined)
    return wrong(`is ${redactUrl(text)}: its user or password has a % that encodes nothing, write it as %25`)
  return read({ url: text, tls: /^(amqps|rediss):/i.test(text), ...(credentials && { credentials }) })
}

function parseFile(text: string, cwd: string, wrong: Wrong): Reading<Parsed | undefined> {
  const scheme = /^(sqlite|file):/i.exec(text)?.[0]
  if (text === ':memory:' || scheme?.concat(':memory:') === text)
    return wrong('is :memory:, which is another broker: name the broker "memory"')
  if (scheme === undefined) return read({ url: resolve(cwd, text), tls: false })
  if (/[?#]/.test(text)) return wrong('has parameters, and none are read')
  const rest = text.slice(scheme.length)
  if (rest.replaceAll('/', '') === '') return wrong('names no file')
  try {
    const path = /^file:\/\//i.test(text) ? fileURLToPath(text) : rest.replace(/^\/\//, '')
    return read({ url: resolve(cwd, path), tls: false })
  } catch {
    return wrong('is no local file')
  }
}

function split(login: string): Credentials | undefined {
  const colon = login.indexOf(':')
  try {
    return colon < 0
      ? { username: decodeURIComponent(login), password: '' }
      : { username: decodeURIComponent(login.slice(0, colon)), password: decodeURIComponent(login.slice(colon + 1)) }
  } catch {
    return undefined
  }
}

import { credentials, type Options, type SocketOptions } from 'amqplib'
import type { DriverOptions } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'

export interface Address {
  readonly url: Options.Connect
  readonly socket: SocketOptions
  /** For messages; no secrets. */
  readonly where: string
}

/** Seconds. A lost connection is noticed after two to three of these: back within 15 s. */
const HEARTBEAT_S = 5
const LONGEST_HEARTBEAT_S = 60
const CONNECT_TIMEOUT_MS = 5_000

/** What a URL's query may say: passed on to the client, where it breaks no promise. */
const PASSED_ON = ['heartbeat', 'frameMax', 'channelMax', 'locale', 'auth_mechanism'] as const
type PassedOn = Readonly<Partial<Record<(typeof PASSED_ON)[number], string>>>

/** @throws CorebusError URL for a query that the client does not know, or that would break a promise. */
export function addressOf({ url, tls, auth }: Pick<DriverOptions, 'url' | 'tls' | 'auth'>): Address {
  const parsed = new URL(url)
  const secure = tls !== false || parsed.protocol === 'amqps:'
  const port = parsed.port === '' ? (secure ? 5671 : 5672) : Number(parsed.port)
  const hostname = parsed.hostname.replace(/^\[|\]$/g, '')
  const where = `${parsed.hostname}:${port}`
  const options = queryOf(parsed, where)
  // amqplib's own reading of a URL does not decode UTF-8 in user and password.
  const { username, password } = auth ?? {
    username: decodeURIComponent(parsed.username || 'guest'),
    password: decodeURIComponent(parsed.password || (parsed.username === '' ? 'guest' : '')),
  }
  return {
    where,
    url: {
      protocol: secure ? 'amqps' : 'amqp',
      hostname,
      port,
      // Decoded by the client.
      vhost: parsed.pathname.slice(1) || '%2F',
      heartbeat: numberIn(options, 'heartbeat', where) ?? HEARTBEAT_S,
      ...numbers(options, where),
      ...(options.locale !== undefined && { locale: options.locale }),
    },
    socket: {
      noDelay: true,
      timeout: CONNECT_TIMEOUT_MS,
      credentials: options.auth_mechanism === 'external' ? credentials.external() : credentials.plain(username, password),
      clientProperties: { connection_name: `corebus ${process.pid}` },
      ...(typeof tls === 'object' && tls),
    },
  }
}

function queryOf({ searchParams }: URL, where: string): PassedOn {
  const options: Partial<Record<(typeof PASSED_ON)[number], string>> = {}
  for (const [name, value] of searchParams) {
    const known = PASSED_ON.find((one) => one === name)
    if (!known) throw wrong(where, `has ?${name}=, which is no option of the client: there are ${PASSED_ON.join(', ')}`)
    options[known] = value
  }
  const { auth_mechanism: mechanism = 'plain' } = options
  if (!['plain', 'external'].includes(mechanism)) throw wrong(where, `has ?auth_mechanism=${mechanism}: there are plain and external`)
  const heartbeat = numberIn(options, 'heartbeat', where) ?? HEARTBEAT_S
  if (heartbeat < 1 || heartbeat > LONGEST_HEARTBEAT_S)
    throw wrong(where, `has ?heartbeat=${heartbeat}: from 1 to ${LONGEST_HEARTBEAT_S} s, or a lost connection would not be noticed`)
  return options
}

function numbers(options: PassedOn, where: string): { frameMax?: number; channelMax?: number } {
  const [frameMax, channelMax] = [numberIn(options, 'frameMax', where), numberIn(options, 'channelMax', where)]
  return { ...(frameMax !== undefined && { frameMax }), ...(channelMax !== undefined && { channelMax }) }
}

function numberIn(options: PassedOn, name: 'heartbeat' | 'frameMax' | 'channelMax', where: string): number | undefined {
  const text = options[name]
  if (text === undefined) return undefined
  if (!/^\d{1,9}$/.test(text)) throw wrong(where, `has ?${name}=${text}, which is no whole number`)
  return Number(text)
}

function wrong(where: string, why: string): CorebusError {
  return new CorebusError('URL', `the RabbitMQ address ${where} ${why}`)
}

import type { Options, SocketOptions } from 'amqplib'
import { CorebusError } from '../../errors.ts'

/** The client's options, sorted by which of its two arguments takes them. */
export interface ClientOptions {
  readonly connection: Pick<Options.Connect, 'heartbeat' | 'frameMax' | 'channelMax' | 'maxFrameSize' | 'locale'>
  readonly socket: SocketOptions
  readonly external: boolean
}

/** Seconds. A lost connection is noticed after two to three of these: back within 15 s, with time to connect. */
const HEARTBEAT_S = 4
const LONGEST_HEARTBEAT_S = 60
const CONNECT_TIMEOUT_MS = 5_000
/** A subscription has a channel for each of its topics. */
const FEWEST_CHANNELS = 64

/** What an address may have behind its question mark. */
const IN_QUERY = ['heartbeat', 'frameMax', 'channelMax', 'maxFrameSize', 'locale', 'auth_mechanism']
const NUMBERS = ['heartbeat', 'frameMax', 'channelMax', 'maxFrameSize']

/** Why some are refused, and what to use. */
const REFUSED: Readonly<Record<string, string>> = {
  ...of(['protocol', 'hostname', 'host', 'port', 'path', 'vhost'], 'the address says where the broker is: use url'),
  ...of(['username', 'password', 'credentials'], 'use auth, or ?auth_mechanism=external in the address'),
  ...of(['ca', 'cert', 'key'], 'use tls'),
  recovery: 'the driver reconnects by itself, and brings back what the client would not',
  checkServerIdentity: 'whom the broker claims to be would not be checked: give servername if its certificate has another name',
}

function of(names: readonly string[], why: string): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, why]))
}

/**
 * The query of the address, and over it the user's options for the client, as they are.
 * @throws CorebusError URL or CLIENT_OPTION for one that the client does not know, or that would break a promise.
 */
export function clientOptions({ searchParams }: URL, given: Readonly<Record<string, unknown>> = {}, where: string): ClientOptions {
  const query: Record<string, unknown> = {}
  for (const [name, value] of searchParams) {
    const fault = IN_QUERY.includes(name)
      ? faultOf(name, numbered(name, value))
      : `is no option of the client: there are ${IN_QUERY.join(', ')}`
    if (fault)
      throw new CorebusError('URL', `the RabbitMQ address ${where} has ?${name}=${IN_QUERY.includes(name) ? value : ''}, which ${fault}`)
    query[name] = numbered(name, value)
  }
  const faults = Object.entries(given).flatMap(([name, value]) => {
    const fault = REFUSED[name] ? `cannot be given: ${REFUSED[name]}` : faultOf(name, value)
    return fault ? `client.${name} ${fault}` : []
  })
  if (faults.length > 0) throw new CorebusError('CLIENT_OPTION', `options for the RabbitMQ client: ${faults.join('; ')}`)

  const { heartbeat, frameMax, channelMax, maxFrameSize, locale, auth_mechanism, clientProperties, ...socket } = {
    ...query,
    ...given,
  } as Named
  return {
    connection: { heartbeat: heartbeat ?? HEARTBEAT_S, ...known({ frameMax, channelMax, maxFrameSize, locale }) },
    socket: {
      noDelay: true,
      timeout: CONNECT_TIMEOUT_MS,
      ...socket,
      clientProperties: { connection_name: `corebus ${process.pid}`, ...clientProperties },
    },
    external: auth_mechanism === 'external',
  }
}

/** Their types are the client's: what does not fit it refuses, or faultOf has. */
type Named = ClientOptions['connection'] & SocketOptions & { readonly auth_mechanism?: unknown }

function known<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>
}

function numbered(name: string, value: string): unknown {
  return NUMBERS.includes(name) && /^\d{1,9}$/.test(value) ? Number(value) : value
}

/** What is wrong with it, to be read after its name. */
function faultOf(name: string, value: unknown): string | undefined {
  if (NUMBERS.includes(name) && !(Number.isInteger(value) && (value as number) >= 0)) return 'is no whole number'
  switch (name) {
    case 'heartbeat':
      return (value as number) < 1 || (value as number) > LONGEST_HEARTBEAT_S
        ? `must be from 1 to ${LONGEST_HEARTBEAT_S} s, or a lost connection would not be noticed`
        : undefined
    case 'channelMax':
      return value !== 0 && (value as number) < FEWEST_CHANNELS
        ? `must be 0 or at least ${FEWEST_CHANNELS}: each topic of a group has one`
        : undefined
    case 'auth_mechanism':
      return value === 'plain' || value === 'external' ? undefined : 'must be plain or external'
    case 'rejectUnauthorized':
      return value === false ? "must not be false: whoever answers would be trusted; give the broker's authority in tls.ca" : undefined
    case 'timeout':
      return typeof value === 'number' && value > 0
        ? undefined
        : 'must be a number of milliseconds above 0, or a connect could hang for ever'
    case 'clientProperties':
      return typeof value === 'object' && value !== null && !('capabilities' in value)
        ? undefined
        : 'must be an object without capabilities: the driver relies on what the client announces there'
  }
  return undefined
}

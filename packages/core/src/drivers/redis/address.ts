import type { createClient } from 'redis'
import type { DriverOptions } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { clientOptions } from './client-options.ts'
import { redisLibrary } from './library.ts'

export interface Node {
  readonly host: string
  readonly port: number
}

export interface Address {
  readonly node: Node
  /** For messages; no secrets. */
  readonly where: string
  readonly database: number
  /** A client for one node, not connected. */
  readonly client: (node: Node) => Client
}

/** What is used of the library's client. */
export interface Client {
  connect(): Promise<unknown>
  destroy(): void
  on(event: 'error' | 'end', listener: (error: Error) => void): unknown
  sendCommand<T>(args: readonly (string | Buffer)[], options?: Parameters<BareClient['sendCommand']>[1]): Promise<T>
}

type BareClient = ReturnType<typeof createClient>

const CONNECT_TIMEOUT_MS = 5_000

/** @throws CorebusError URL, and CLIENT_OPTION for options that would break a promise. */
export function addressOf({ url, tls, auth, client }: Pick<DriverOptions, 'url' | 'tls' | 'auth' | 'client'>): Address {
  const parsed = new URL(url)
  const secure = tls !== false || parsed.protocol === 'rediss:'
  const node = { host: parsed.hostname.replace(/^\[|\]$/g, ''), port: parsed.port === '' ? 6379 : Number(parsed.port) }
  const where = `${parsed.hostname}:${node.port}`
  if (parsed.search !== '') throw new CorebusError('URL', `the Redis address ${where} has a query, and nothing in it is read`)
  const given = clientOptions(client)
  const database = Number(parsed.pathname.slice(1) || 0)
  const login = auth ?? { username: decodeURIComponent(parsed.username), password: decodeURIComponent(parsed.password) }
  const { username, password } = login
  return {
    node,
    where,
    database,
    client: ({ host, port }) =>
      makeClient({
        name: `corebus-${process.pid}`,
        ...(username !== '' && { username }),
        ...(password !== '' && { password }),
        ...(database > 0 && { database }),
        ...given.client,
        socket: {
          connectTimeout: CONNECT_TIMEOUT_MS,
          ...given.socket,
          host,
          port,
          reconnectStrategy: false as const,
          ...(secure && { tls: true as const, ...serverName(host), ...given.socket, ...(typeof tls === 'object' && tls) }),
        },
      }),
  }
}

/** A name is sent to a server that has several; an address is none. */
function serverName(host: string): { servername?: string } {
  return /^[\d.]+$|:/.test(host) ? {} : { servername: host }
}

type Given = NonNullable<Parameters<typeof createClient>[0]>

/** RESP 2: the replies of all versions are arrays. A command has no time-out of its own: it costs a timer each, and covers only the wait for the socket. */
function makeClient(options: Omit<Given, 'RESP' | 'commandOptions' | 'modules' | 'functions' | 'scripts'>): Client {
  return redisLibrary().createClient({
    ...options,
    RESP: 2,
    maintNotifications: 'disabled',
    disableOfflineQueue: true,
    commandOptions: { timeout: 0 },
  })
}

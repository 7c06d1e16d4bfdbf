import type { Options, SocketOptions } from 'amqplib'
import type { DriverOptions } from '../../driver.ts'
import { clientOptions } from './client-options.ts'
import { amqpLibrary } from './library.ts'

export interface Address {
  readonly url: Options.Connect
  readonly socket: SocketOptions
  /** For messages; no secrets. */
  readonly where: string
}

/** @throws CorebusError URL and CLIENT_OPTION for options that the client does not know, or that would break a promise. */
export function addressOf({ url, tls, auth, client }: Pick<DriverOptions, 'url' | 'tls' | 'auth' | 'client'>): Address {
  const parsed = new URL(url)
  const secure = tls !== false || parsed.protocol === 'amqps:'
  const port = parsed.port === '' ? (secure ? 5671 : 5672) : Number(parsed.port)
  const hostname = parsed.hostname.replace(/^\[|\]$/g, '')
  const where = `${parsed.hostname}:${port}`
  const { credentials } = amqpLibrary()
  const { connection, socket, external } = clientOptions(parsed, client, where)
  // amqplib's own reading of a URL does not decode UTF-8 in user and password.
  const { username, password } = auth ?? {
    username: decodeURIComponent(parsed.username || 'guest'),
    password: decodeURIComponent(parsed.password || (parsed.username === '' ? 'guest' : '')),
  }
  return {
    where,
    url: {
      ...connection,
      protocol: secure ? 'amqps' : 'amqp',
      hostname,
      port,
      // Decoded by the client.
      vhost: parsed.pathname.slice(1) || '%2F',
    },
    socket: {
      ...socket,
      credentials: external ? credentials.external() : credentials.plain(username, password),
      ...(typeof tls === 'object' && tls),
    },
  }
}

import type { ISocketFactory, KafkaConfig, SASLOptions } from 'kafkajs'
import type { DriverOptions } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { clientOptions } from './client-options.ts'

export interface Address {
  /** For kafkajs: where, as whom, and what the user wants otherwise. */
  readonly kafka: KafkaConfig
  /** Instead of a socket of our own. */
  readonly openSocket: ISocketFactory | undefined
  /** A member of a group that has not been heard of for so long is given up. */
  readonly sessionMs: number
  /** For messages; no secrets. */
  readonly where: string
}

/** @throws CorebusError URL, CLIENT_OPTION */
export function addressOf({ url, tls, auth, client }: Pick<DriverOptions, 'url' | 'tls' | 'auth' | 'client'>): Address {
  const brokers = url
    .split(',')
    .map((server) => server.trim().replace(/^kafka:\/\//i, ''))
    .filter((server) => server !== '')
  if (brokers.length === 0) throw new CorebusError('URL', 'the Kafka address names no server: give host:port, several with commas')
  const { kafka, ssl, openSocket, sessionMs } = clientOptions(client, { tls: tls !== false, auth: auth !== undefined })
  return {
    kafka: {
      brokers,
      ssl: tls === false ? false : { ...(tls === true ? {} : tls), ...ssl },
      ...(auth && { sasl: saslOf(auth) }),
      ...kafka,
    },
    openSocket,
    sessionMs,
    where: brokers.join(','),
  }
}

function saslOf({ username, password, mechanism = 'plain' }: NonNullable<DriverOptions['auth']>): SASLOptions {
  switch (mechanism) {
    case 'plain':
    case 'scram-sha-256':
    case 'scram-sha-512':
      return { mechanism, username, password }
    default:
      throw new CorebusError('URL', `Kafka's login ${mechanism} is not known: there are plain, scram-sha-256 and scram-sha-512`)
  }
}

import type { ConnectionOptions } from 'node:tls'
import type { SASLOptions } from 'kafkajs'
import type { DriverOptions } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'

export interface Address {
  readonly brokers: string[]
  readonly ssl: boolean | ConnectionOptions
  readonly sasl: SASLOptions | undefined
  /** For messages; no secrets. */
  readonly where: string
}

/** @throws CorebusError URL */
export function addressOf({ url, tls, auth }: Pick<DriverOptions, 'url' | 'tls' | 'auth'>): Address {
  const brokers = url
    .split(',')
    .map((server) => server.trim().replace(/^kafka:\/\//i, ''))
    .filter((server) => server !== '')
  if (brokers.length === 0) throw new CorebusError('URL', 'the Kafka address names no server: give host:port, several with commas')
  return { brokers, where: brokers.join(','), ssl: tls, sasl: auth && saslOf(auth) }
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

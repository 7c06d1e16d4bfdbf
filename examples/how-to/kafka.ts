import { createMessaging, type Messaging } from '@corebus/core'

export interface Secrets {
  readonly password: string
  /** PEM text. */
  readonly ca: string
  readonly cert: string
  readonly key: string
}

export function overTls(url: string, { password, ca, cert, key }: Secrets): Messaging {
  // #region tls
  return createMessaging({
    service: 'payments',
    broker: 'kafka',
    url, // broker-1.example:9094,broker-2.example:9094
    auth: { username: 'payments', password, mechanism: 'scram-sha-512' },
    tls: { ca, cert, key }, // PEM text. cert and key only where the broker asks its clients for one
  })
  // #endregion tls
}

// #region partitions
export function feed(url: string): Messaging {
  return createMessaging({
    service: 'feed',
    broker: 'kafka',
    url,
    topology: { partitions: 6, topics: { 'order-events': { partitions: 48 } } },
  })
}
// #endregion partitions

import { createRequire } from 'node:module'
import type { BrokerName } from '../config/messaging-options.ts'
import type { Driver, DriverOptions } from '../driver.ts'
import { asError, CorebusError } from '../errors.ts'

/** The client library of each broker: an optional peer, imported only when its broker is chosen. */
const PEERS: Partial<Record<BrokerName, string>> = { kafka: 'kafkajs', rabbitmq: 'amqplib', redis: 'redis' }

/** @throws CorebusError PEER_MISSING with the package to install. */
export async function loadDriver(broker: BrokerName, options: DriverOptions): Promise<Driver> {
  const peer = PEERS[broker]
  if (peer !== undefined) requirePeer(broker, peer)
  switch (broker) {
    case 'memory':
      return (await import('../drivers/memory/driver.ts')).memoryDriver(options)
    case 'sqlite':
      return (await import('../drivers/sqlite/driver.ts')).sqliteDriver(options)
    case 'rabbitmq':
      return (await import('../drivers/rabbitmq/driver.ts')).rabbitmqDriver(options)
    case 'kafka':
      return (await import('../drivers/kafka/driver.ts')).kafkaDriver(options)
    case 'redis':
      return (await import('../drivers/redis/driver.ts')).redisDriver(options)
  }
}

function requirePeer(broker: BrokerName, peer: string): void {
  try {
    // From where the service runs, and from where this package lies: either may have it.
    createRequire(import.meta.url).resolve(peer, { paths: [process.cwd(), import.meta.dirname] })
  } catch (thrown) {
    throw new CorebusError('PEER_MISSING', `the broker ${broker} needs the package "${peer}": npm install ${peer}`, {
      cause: asError(thrown),
    })
  }
}

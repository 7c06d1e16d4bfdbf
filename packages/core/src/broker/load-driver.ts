import type { BrokerName } from '../config/messaging-options.ts'
import type { Driver, DriverOptions } from '../driver.ts'

/**
 * The driver of a broker, with its client library: an optional peer, imported only when its broker is chosen.
 * @throws CorebusError PEER_MISSING with the package to install.
 */
export async function loadDriver(broker: BrokerName, options: DriverOptions): Promise<Driver> {
  switch (broker) {
    case 'memory':
      return (await import('../drivers/memory/driver.ts')).memoryDriver(options)
    case 'sqlite':
      return (await import('../drivers/sqlite/driver.ts')).sqliteDriver(options)
    case 'rabbitmq': {
      const { loadLibrary, rabbitmqDriver } = await import('../drivers/rabbitmq/driver.ts')
      await loadLibrary()
      return rabbitmqDriver(options)
    }
    case 'kafka': {
      const { kafkaDriver, loadLibrary } = await import('../drivers/kafka/driver.ts')
      await loadLibrary()
      return kafkaDriver(options)
    }
    case 'redis': {
      const { loadLibrary, redisDriver } = await import('../drivers/redis/driver.ts')
      await loadLibrary()
      return redisDriver(options)
    }
  }
}

/** A memory broker that nobody else can name, and that ends with its driver. */
export async function loadMemoryOfOwn(options: Omit<DriverOptions, 'url'>): Promise<Driver> {
  const [{ Broker }, { memoryDriverOn }] = await Promise.all([import('../drivers/memory/broker.ts'), import('../drivers/memory/driver.ts')])
  return memoryDriverOn(new Broker(), options)
}

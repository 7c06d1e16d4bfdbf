import { type Broker, type BrokerName, broker } from '@corebus/testbed'
import type { TestProject } from 'vitest/node'
import { type Installed, install } from './install.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** By broker, where it is; a broker that cannot be had here is missing. */
    readonly brokers: Readonly<Partial<Record<BrokerName, string>>>
    readonly installed: Installed
  }
}

const NAMES: readonly BrokerName[] = ['kafka', 'rabbitmq', 'redis']
const started: Broker[] = []

/** Runs once for all files of the project, before the first: each broker is started once, and each peer installed once. */
export async function setup({ provide }: TestProject): Promise<void> {
  const installing = install()
  installing.catch(() => {}) // awaited below, also when a broker fails first
  const brokers: Partial<Record<BrokerName, string>> = {}
  for (const found of await Promise.all(NAMES.map(async (name) => ({ name, broker: await broker(name) })))) {
    if (!found.broker) continue
    started.push(found.broker)
    brokers[found.name] = found.broker.url
  }
  provide('brokers', brokers)
  provide('installed', await installing)
}

export async function teardown(): Promise<void> {
  await Promise.all(started.map((one) => one.stop()))
}

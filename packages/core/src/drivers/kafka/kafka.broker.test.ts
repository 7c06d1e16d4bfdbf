import { setTimeout as pause } from 'node:timers/promises'
import { broker, chaosProxy, freePort, startKafka } from '@corebus/testbed'
import kafkajs from 'kafkajs'
import { afterAll, afterEach, describe, test } from 'vitest'
import { systemClock } from '../../clock.ts'
import { type ConformanceTarget, type ConnectOptions, type Faults, type Runner, runConformance } from '../../testing/conformance/index.ts'
import { kafkaDriver } from './driver.ts'

const runner: Runner = {
  describe,
  // One after another: the cases share the name of their group, and a group waits for all of its members whenever one comes or goes.
  test: (name, run, { timeoutMs }) => test(name, run, timeoutMs),
  skip: (name, reason) => test.skip(`${name} (${reason})`, () => {}),
}

/** Shorter than what brokers allow unless told otherwise: what waits for a killed member takes less, and a process that is frozen for 3 s is given up. */
const OWN = { sessionTimeout: 2_500 }

function targetAt(url: string, faults: Faults, client: Readonly<Record<string, unknown>> = {}): ConformanceTarget {
  const kafka = ({ clock = systemClock, publishTimeoutMs = 10_000 }: ConnectOptions = {}) =>
    kafkaDriver({ url, service: 'conformance', prefix: '', publishTimeoutMs, clock, durability: 'normal', tls: false, client })
  return {
    name: 'kafka',
    capabilities: kafka().capabilities,
    options: { broker: 'kafka', url, client },
    exceptions: [],
    faults,
    async connect(options) {
      const driver = kafka(options)
      await driver.connect(() => {})
      return driver
    },
  }
}

/** A broker of our own behind a proxy, through which everybody in the cases reaches it: it tells its clients the proxy's address. */
async function ownTarget(): Promise<ConformanceTarget | undefined> {
  const port = await freePort()
  const proxy = await chaosProxy({ port })
  const running = await startKafka({ behind: { port, advertisedPort: proxy.port } })
  afterAll(async () => {
    await running?.stop()
    await proxy.close()
  })
  if (!running) return undefined
  afterEach(() => forgetTopics(running.url))
  const faults: Faults = {
    cut: async () => proxy.vanish(),
    async freeze(forMs) {
      proxy.freeze()
      await pause(forMs)
      proxy.thaw()
    },
    async refuse(forMs) {
      await proxy.refuse()
      proxy.cut()
      await pause(forMs)
      await proxy.accept()
    },
    restart: running.restart,
    kill: running.kill,
  }
  return targetAt(`127.0.0.1:${proxy.port}`, faults, OWN)
}

/** Those of a case are of no use to the next, and with thousands of partitions a broker takes half a minute to stop. */
async function forgetTopics(url: string): Promise<void> {
  const admin = new kafkajs.Kafka({ brokers: [url], logLevel: kafkajs.logLevel.NOTHING }).admin()
  await admin.connect()
  const topics = (await admin.listTopics()).filter((topic) => !/^(__|corebus\.(topology|clock)$)/.test(topic))
  if (topics.length > 0) await admin.deleteTopics({ topics })
  await admin.disconnect()
}

const target = await ownTarget()
if (target) runConformance(target, runner)
else {
  // Says what is missing, or finds somebody else's, which is not disturbed.
  const found = await broker('kafka')
  if (found) runConformance(targetAt(found.url, {}), runner)
  else test.skip('no Kafka here', () => {})
}

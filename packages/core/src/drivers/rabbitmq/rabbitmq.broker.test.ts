import { setTimeout as pause } from 'node:timers/promises'
import { type Broker, broker, chaosProxy } from '@corebus/testbed'
import { afterAll, describe, test } from 'vitest'
import { systemClock } from '../../clock.ts'
import {
  type ConformanceTarget,
  type ConnectOptions,
  conformanceCases,
  type Faults,
  type Runner,
  runConformance,
} from '../../testing/conformance/index.ts'
import { whyNot } from '../../testing/conformance/run.ts'
import { rabbitmqDriver } from './driver.ts'

const runner: Runner = {
  describe,
  test: (name, run, { timeoutMs, alone }) => (alone ? test : test.concurrent)(name, run, timeoutMs),
  skip: (name, reason) => test.skip(`${name} (${reason})`, () => {}),
}

/** A broker behind a proxy, through which everybody in the cases reaches it. */
async function targetOn(running: Broker): Promise<ConformanceTarget> {
  const proxy = await chaosProxy({ port: Number(new URL(running.url).port || 5672), host: new URL(running.url).hostname })
  afterAll(async () => {
    await proxy.close()
    await running.stop()
  })
  const url = proxy.through(running.url)
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
    ...(running.own && { restart: running.restart, kill: running.kill }),
  }
  const rabbitmq = ({ clock = systemClock, publishTimeoutMs = 10_000 }: ConnectOptions = {}) =>
    rabbitmqDriver({ url, service: 'conformance', prefix: '', publishTimeoutMs, clock, durability: 'normal', tls: false })
  return {
    name: 'rabbitmq',
    capabilities: rabbitmq().capabilities,
    options: { broker: 'rabbitmq', url },
    exceptions: [],
    faults,
    async connect(options) {
      const driver = rabbitmq(options)
      await driver.connect(() => {})
      return driver
    },
  }
}

const found = await broker('rabbitmq')
if (!found) test.skip('no RabbitMQ here', () => {})
else {
  const target = await targetOn(found)
  runConformance(target, runner)
  // Somebody else's is never restarted: what needs that has a broker of its own.
  const own = found.own ? undefined : await broker('rabbitmq', { own: true })
  if (own) {
    const ownTarget = await targetOn(own)
    const cases = conformanceCases.filter((one) => whyNot(one, target, false) && !whyNot(one, ownTarget, false))
    if (cases.length > 0) runConformance(ownTarget, runner, { cases })
  }
}

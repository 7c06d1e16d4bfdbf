import { describe, test } from 'vitest'
import { systemClock } from '../../clock.ts'
import { type ConformanceTarget, type ConnectOptions, runConformance } from '../../testing/conformance/index.ts'
import { newId } from '../../wire/id.ts'
import { memoryDriver } from './driver.ts'

const url = `memory://conformance-${newId()}`

const memory = ({ clock = systemClock, publishTimeoutMs = 10_000 }: ConnectOptions = {}) =>
  memoryDriver({ url, service: 'conformance', prefix: '', publishTimeoutMs, clock, durability: 'normal', tls: false })

const target: ConformanceTarget = {
  name: 'memory',
  capabilities: memory().capabilities,
  options: { broker: 'memory', url },
  exceptions: [],
  async connect(options) {
    const driver = memory(options)
    await driver.connect(() => {})
    return driver
  },
}

runConformance(target, {
  describe,
  test: (name, run, { timeoutMs, alone }) => (alone ? test : test.concurrent)(name, run, timeoutMs),
  skip: (name, reason) => test.skip(`${name} (${reason})`, () => {}),
})

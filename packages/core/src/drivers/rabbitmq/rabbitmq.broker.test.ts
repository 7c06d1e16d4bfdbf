import { broker } from '@corebus/testbed'
import { afterAll, describe, test } from 'vitest'
import { systemClock } from '../../clock.ts'
import { type ConformanceTarget, runConformance } from '../../testing/conformance/index.ts'
import { rabbitmqDriver } from './driver.ts'

const running = await broker('rabbitmq')
afterAll(() => running?.stop())

const url = running?.url ?? 'amqp://localhost/'
const rabbitmq = ({ clock = systemClock } = {}) =>
  rabbitmqDriver({ url, service: 'conformance', prefix: '', publishTimeoutMs: 10_000, clock, durability: 'normal', tls: false })

const target: ConformanceTarget = {
  name: 'rabbitmq',
  capabilities: rabbitmq().capabilities,
  options: { broker: 'rabbitmq', url },
  ...(running && { env: running.env }),
  exceptions: [],
  async connect(options) {
    const driver = rabbitmq(options)
    await driver.connect(() => {})
    return driver
  },
}

describe.skipIf(!running)('rabbitmq', () => {
  runConformance(target, { describe, test, skip: (name, reason) => test.skip(`${name} (${reason})`, () => {}) })
})

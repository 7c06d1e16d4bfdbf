import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, test } from 'vitest'
import { systemClock } from '../../clock.ts'
import { type ConformanceTarget, runConformance } from '../../testing/conformance/index.ts'
import { sqliteDriver } from './driver.ts'

const folder = mkdtempSync(join(tmpdir(), 'corebus-conformance-'))
const url = join(folder, 'messages.db')

const sqlite = ({ clock = systemClock } = {}) =>
  sqliteDriver({ url, service: 'conformance', prefix: '', publishTimeoutMs: 10_000, clock, durability: 'normal', tls: false })

const target: ConformanceTarget = {
  name: 'sqlite',
  capabilities: sqlite().capabilities,
  options: { broker: 'sqlite', url },
  exceptions: [
    {
      name: 'delays hold when the clocks of two members are two minutes apart',
      reason: 'the processes that share a file share a machine and its clock',
    },
    {
      name: 'declared with other arguments: the difference is returned in words, and nothing is altered',
      reason: 'a letter carries its place and lifetime, nothing is declared that could differ',
    },
  ],
  async connect(options) {
    const driver = sqlite(options)
    await driver.connect(() => {})
    return driver
  },
}

afterAll(() => rmSync(folder, { recursive: true, force: true }))

runConformance(target, { describe, test, skip: (name, reason) => test.skip(`${name} (${reason})`, () => {}) })

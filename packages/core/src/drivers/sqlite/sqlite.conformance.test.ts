import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, test } from 'vitest'
import { systemClock } from '../../clock.ts'
import { type ConformanceTarget, type ConnectOptions, runConformance } from '../../testing/conformance/index.ts'
import { sqliteDriver } from './driver.ts'

const folder = mkdtempSync(join(tmpdir(), 'corebus-conformance-'))
const url = join(folder, 'messages.db')

const sqlite = ({ clock = systemClock, publishTimeoutMs = 10_000 }: ConnectOptions = {}) =>
  sqliteDriver({ url, service: 'conformance', prefix: '', publishTimeoutMs, clock, durability: 'normal', tls: false })

const target: ConformanceTarget = {
  name: 'sqlite',
  capabilities: sqlite().capabilities,
  options: { broker: 'sqlite', url },
  exceptions: [
    {
      name: 'delays hold when the clocks of two members are two minutes apart',
      reason: 'the processes that share a file share a machine and its clock',
    },
  ],
  faults: { freeze },
  async connect(options) {
    const driver = sqlite(options)
    await driver.connect(() => {})
    return driver
  },
}

/** A process that holds the file's lock: nothing can be written meanwhile. */
async function freeze(forMs: number): Promise<void> {
  const { DatabaseSync } = await import('node:sqlite')
  const db = new DatabaseSync(url, { timeout: 5_000 })
  db.exec('BEGIN EXCLUSIVE')
  await new Promise((resolve) => setTimeout(resolve, forMs))
  db.exec('ROLLBACK')
  db.close()
}

afterAll(() => rmSync(folder, { recursive: true, force: true }))

runConformance(target, {
  describe,
  test: (name, run, { timeoutMs, alone }) => (alone ? test : test.concurrent)(name, run, timeoutMs),
  skip: (name, reason) => test.skip(`${name} (${reason})`, () => {}),
})

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMessaging } from '@corebus/core'
import { type ConformanceTarget, conformanceCases, runConformance } from '@corebus/core/testing/conformance'
import { afterAll, describe, expect, test } from 'vitest'
import { driver as ownDriver } from './own-driver.ts'

const folder = mkdtempSync(join(tmpdir(), 'corebus-own-driver-'))
afterAll(() => rmSync(folder, { recursive: true }))

// #region target
const url = join(folder, 'messages.db')
const connect = () => createMessaging({ driver: ownDriver, url, service: 'conformance', logLevel: 'silent' }).driver()
const { capabilities, close } = await connect()
await close()

const target: ConformanceTarget = {
  name: 'audited',
  capabilities,
  connect,
  // How a process of its own reaches the same broker.
  options: { driver: new URL('./own-driver.ts', import.meta.url).href, url },
  exceptions: [],
}
// #endregion target

test('what is published is on the list', async () => {
  const driver = await connect()
  await driver.publish([{ id: 'm1', topic: 'orders', headers: {}, body: Buffer.from('{}') }])
  await driver.close()
  expect(readFileSync(`${url}.audit`, 'utf8')).toBe('orders m1\n')
})

/** The whole list takes minutes, and what it asks of SQLite is asked elsewhere. */
const cases = conformanceCases.filter(({ section, name }) => section === 'Publish' || name.startsWith('kill -9 in a handler'))

// #region run
runConformance(
  target,
  {
    describe,
    test: (name, run, { timeoutMs, alone }) => (alone ? test : test.concurrent)(name, run, timeoutMs),
    skip: (name, reason) => test.skip(`${name} (${reason})`, () => {}),
  },
  // A call without `cases` declares the whole list.
  { cases },
)
// #endregion run

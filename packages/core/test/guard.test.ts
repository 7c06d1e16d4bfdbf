import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'

// Built, so that processes need compile nothing.
const index = join(import.meta.dirname, '../dist/index.js')
const testing = join(import.meta.dirname, '../dist/testing/index.js')

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'corebus-guard-'))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
})
afterEach(() => rmSync(folder, { recursive: true }))

/** The default instance of a process of its own, whose broker keeps what it is given. */
async function fresh(env: Readonly<Record<string, string>> = {}) {
  vi.resetModules()
  delete (globalThis as Record<symbol, unknown>)[Symbol.for('corebus.registry')]
  const corebus = await import('../src/index.ts')
  const url = join(folder, 'messages.db')
  const messaging = () => corebus.configureMessaging({ broker: 'sqlite', url, service: 's', env, logLevel: 'silent' })
  return { ...corebus, url, messaging }
}

test('a test that forgot the kit is told before its configured instance touches a broker that keeps things', async () => {
  const { messaging, url } = await fresh()
  const configured = messaging()
  const refused = {
    code: 'REAL_BROKER_IN_TEST',
    message: expect.stringMatching(
      /^this is a test \(Vitest\).*the sqlite broker at .*messages\.db \(code\).*@corebus\/core\/testing.*testApp\(\)/,
    ),
  }
  await expect(configured.publishEvent('x', 1, { topic: 't' })).rejects.toMatchObject({ failures: [{ cause: refused }] })
  configured.handle({ topic: 't' }, () => undefined)
  await expect(configured.start()).rejects.toMatchObject(refused)
  expect(existsSync(url)).toBe(false)
  await configured.close()
})

test('MESSAGING_ALLOW_IN_TESTS=1 lets a test have it', async () => {
  const { messaging, url } = await fresh({ MESSAGING_ALLOW_IN_TESTS: '1' })
  const configured = messaging()
  await configured.publishEvent('x', 1, { topic: 't' })
  expect(existsSync(url)).toBe(true)
  await configured.close()
})

test('an instance that createMessaging makes with a broker in the call is meant', async () => {
  const { createMessaging, url } = await fresh()
  const messaging = createMessaging({ broker: 'sqlite', url, service: 's', env: {}, logLevel: 'silent' })
  await messaging.publishEvent('x', 1, { topic: 't' })
  await messaging.close()
})

test('an instance that a test observes is meant, also where the kit has it on memory', async () => {
  for (const isKitFirst of [true, false]) {
    const { messaging, url } = await fresh()
    const early = isKitFirst ? undefined : messaging()
    const { observe } = await import('../src/testing/index.ts')
    const configured = early ?? messaging()
    const spy = await observe(configured)
    await configured.publishEvent('x', 1, { topic: 't' })
    await spy.published('t')
    expect(existsSync(url)).toBe(true)
    await configured.close()
    rmSync(url)
  }
})

const publishes = (url: string): string => `
import { configureMessaging } from ${JSON.stringify(index)}
const messaging = configureMessaging({ broker: 'sqlite', url: ${JSON.stringify(url)}, service: 's', env: {}, logLevel: 'silent' })
const outcome = await messaging.publishEvent('x', 1, { topic: 't' }).then(() => 'published', (error) => error.message)
await messaging.close()
console.log('outcome: ' + outcome)
`

/** Runs a process and resolves with what it says, whatever it ends with. */
async function run(
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<{ readonly stdout: string; readonly code: number }> {
  const options = { env, cwd: import.meta.dirname }
  return promisify(execFile)(process.execPath, args, options).then(
    ({ stdout }) => ({ stdout, code: 0 }),
    ({ stdout, code }: { readonly stdout: string; readonly code: number }) => ({ stdout, code }),
  )
}

test('a service that a test spawns is not refused, whatever it inherits', { timeout: 120_000 }, async () => {
  const service = join(folder, 'service.mjs')
  writeFileSync(service, publishes(join(folder, 'spawned.db')))
  const inherited = {
    ...process.env,
    VITEST: 'true',
    VITEST_WORKER_ID: '1',
    JEST_WORKER_ID: '1',
    NODE_TEST_CONTEXT: 'child-v8',
    NODE_ENV: 'test',
  }
  expect((await run([service], inherited)).stdout).toBe('outcome: published\n')
})

test.each([
  ['by its command', ['--test']],
  ['without it', []],
  ['in one process for all files', ['--test', '--test-isolation=none']],
])('node:test is known, %s; what its tests spawn is not refused', { timeout: 120_000 }, async (_, args) => {
  const service = join(folder, 'service.mjs')
  writeFileSync(service, publishes(join(folder, 'spawned.db')))
  const file = join(folder, 'own.test.mjs')
  writeFileSync(
    file,
    `import { test } from 'node:test'
import { spawnSync } from 'node:child_process'
${publishes(join(folder, 'tested.db'))}
test('spawns', () => {
  const { stdout } = spawnSync(process.execPath, [${JSON.stringify(service)}], { encoding: 'utf8', cwd: ${JSON.stringify(import.meta.dirname)} })
  console.log('child ' + stdout)
})
`,
  )
  const { stdout } = await run([...args, file])
  expect(stdout).toContain('outcome: message')
  expect(stdout).toContain('this is a test (node:test)')
  expect(stdout).toContain('child outcome: published')
  expect(existsSync(join(folder, 'tested.db'))).toBe(false)
})

test('node:test tests a service with the kit, and its process ends by itself', { timeout: 120_000 }, async () => {
  const file = join(folder, 'kit.test.mjs')
  writeFileSync(
    join(folder, 'messaging.mjs'),
    `
import { configureMessaging, emit, on } from ${JSON.stringify(index)}
configureMessaging({ broker: 'kafka', url: 'nowhere:9092', service: 's', auth: { username: 'u', password: 'p' }, retryDelayMs: 1_800_000 })
let calls = 0
on('a', { topic: 'as', group: 'g' }, () => {
  if (++calls === 1) throw new Error('no')
  emit('b', 2, { topic: 'bs' })
})
`,
  )
  writeFileSync(
    file,
    `import assert from 'node:assert/strict'
import { test, mock } from 'node:test'
import { testApp } from ${JSON.stringify(testing)}
import './messaging.mjs'
test('a cascade', async () => {
  mock.timers.enable()
  const app = await testApp()
  await app.publish('as', { name: 'a', data: 1, timestamp: '', source: '' })
  await app.settled()
  assert.deepEqual(app.published('bs').map(({ data }) => data), [2])
  assert.equal(app.retries().length, 1)
})
`,
  )
  const { stdout, code } = await run(['--test', file])
  expect(stdout).toContain('pass 1')
  expect(code).toBe(0)
})

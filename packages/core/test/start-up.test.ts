import { execFile } from 'node:child_process'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

// What is loaded, and not how long it takes: `npm run bench -- start-up` measures that.

const CORE = resolve(import.meta.dirname, '..')
const DIST = pathToFileURL(join(CORE, 'dist/')).href
const HOOKS = pathToFileURL(join(import.meta.dirname, 'fixtures/loaded-modules.mjs')).href

interface Loaded {
  /** Of this package, below dist. */
  readonly files: readonly string[]
  readonly packages: ReadonlySet<string>
  readonly builtIn: ReadonlySet<string>
  readonly urls: readonly string[]
}

/** Runs Node in the folder of the core, and tells what it has loaded. */
async function loadedBy(...args: readonly string[]): Promise<Loaded> {
  const options = { cwd: CORE, env: { PATH: process.env.PATH } }
  const { stderr } = await promisify(execFile)(process.execPath, ['--import', HOOKS, ...args], options)
  const urls = JSON.parse(/^loaded: (.*)$/m.exec(stderr)?.[1] ?? '[]') as readonly string[]
  const packageOf = (url: string) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*\/node_modules\/)/.exec(url)?.[1] ?? []
  return {
    files: urls.filter((url) => url.startsWith(DIST)).map((url) => url.slice(DIST.length)),
    packages: new Set(urls.flatMap(packageOf)),
    builtIn: new Set(urls.filter((url) => url.startsWith('node:'))),
    urls,
  }
}

const running = (code: string) => loadedBy('--input-type=module', '-e', code)
const below = (folder: string) => (file: string) => file.startsWith(folder)

test('a package that only defines events loads what defines them, and of zod what lies below the classes of its users', async () => {
  const { files, packages, builtIn, urls } = await running("await import('@corebus/core/events')")
  expect(files.filter((file) => !/^(wire|options)\//.test(file)).sort()).toEqual([
    'errors.js',
    'process/built-in.js',
    'process/node-version.js',
    'process/thenable.js',
  ])
  expect([...packages]).toEqual(['zod'])
  expect(urls.filter((url) => /\/zod\/v4\/(classic|mini)\//.test(url))).toEqual([])
  expect([...builtIn]).toEqual(['node:util/types'])
})

test('the formats of others are loaded by who imports them, without zod, and by nobody else', async () => {
  const { files, packages } = await running("await import('@corebus/core/envelopes')")
  expect(files.filter(below('envelopes/'))).toContain('envelopes/celery.js')
  expect(files.filter((file) => !/^(wire|envelopes)\//.test(file)).sort()).toEqual([
    'errors.js',
    'process/built-in.js',
    'process/node-version.js',
  ])
  expect([...packages]).toEqual([])
  expect((await running("await import('@corebus/core')")).files.filter(below('envelopes/'))).toEqual([])
})

test('importing the core loads no logger, no command line, no driver, nothing that handles messages, and no sockets', async () => {
  const { files, packages, builtIn } = await running("await import('@corebus/core')")
  expect(files).toContain('messaging.js')
  expect([...packages].sort()).toEqual(['reflect-metadata', 'zod'])
  expect(files.filter((file) => ['cli/', 'drivers/', 'testing/'].some((folder) => file.startsWith(folder)))).toEqual([])
  expect(files.filter(below('consumer/')).sort()).toEqual(['consumer/consumers.js', 'consumer/start-options.js'])
  expect(
    ['node:net', 'node:tls', 'node:http', 'node:crypto', 'node:fs', 'node:util', 'node:sqlite', 'node:child_process'].filter((name) =>
      builtIn.has(name),
    ),
  ).toEqual([])
})

test('an instance loads pino only when it is given no logger', async () => {
  const options = "broker: 'memory', service: 's', env: {}"
  const quiet = "{ level: 'info', info() {}, warn() {}, error() {}, debug() {}, child() { return this } }"
  const make = (more: string) => `const { createMessaging } = await import('@corebus/core'); createMessaging({ ${options}, ${more} })`
  expect((await running(make(`logger: ${quiet}`))).packages).not.toContain('pino')
  expect((await running(make("logLevel: 'silent'"))).packages).toContain('pino')
})

test('what handles messages is loaded by a start, and not by a publish', async () => {
  const code = (work: string) => `
    import { createMessaging } from '@corebus/core'
    const messaging = createMessaging({ broker: 'memory', service: 's', env: {}, logLevel: 'silent' })
    messaging.handle({ topic: 't', group: 'g' }, () => {})
    ${work}
    await messaging.close()`
  const published = await running(code("await messaging.getProducer().send('t', 1)"))
  expect(published.files).toContain('drivers/memory/driver.js')
  expect(published.files).not.toContain('consumer/groups.js')
  expect((await running(code('await messaging.start()'))).files).toContain('consumer/dispatch.js')
})

test('the help of the command loads no command, and a command no other one', async () => {
  const help = await loadedBy('bin/core.js', '--help')
  expect(help.files).toContain('cli/main.js')
  expect(help.files.filter(below('cli/commands/'))).toEqual([])
  expect(help.files).not.toContain('index.js')
  expect([...help.packages]).toEqual(['commander'])
  const bridge = await loadedBy('bin/core.js', 'bridge', '--help')
  expect(bridge.files.filter(below('cli/commands/'))).toEqual(['cli/commands/bridge.js'])
})

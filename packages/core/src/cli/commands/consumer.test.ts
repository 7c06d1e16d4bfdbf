import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { isAlive, makeProject } from '../../../test/project.ts'

const HANDLER = `
import { handle } from '@corebus/core'
handle({ topic: 'orders.created', group: 'inventory' }, (message) => console.log('got', JSON.stringify(message)))
`
const SLOW = `
import { configureMessaging, handle } from '@corebus/core'
configureMessaging({ shutdownMs: 10_000 })
handle({ topic: 'slow', group: 'g' }, async ({ ms }) => {
  console.log('begun')
  await new Promise((done) => setTimeout(done, ms))
  console.log('finished')
})
`

describe('a consumer', () => {
  test('handles what another process publishes, and at SIGTERM finishes what runs and exits with 0', async () => {
    const project = makeProject({ 'handlers.js': SLOW })
    const consumer = project.start(['consumer', 'handlers.js'])
    await project.core(['publish', 'slow', '{"ms":600}'])
    await consumer.says(/begun/)
    const { code, stdout } = await consumer.stop()
    expect(stdout).toContain('finished')
    expect(code).toBe(0)
    expect(JSON.parse((await project.core(['topics', '--json'])).stdout)).toMatchObject([{ topic: 'slow', group: 'g', ready: 0, dead: 0 }])
  })

  test('takes Ctrl-C that comes twice at once, as under npm, for one, and exits at once at a later second one', async () => {
    const project = makeProject({ 'handlers.js': SLOW })
    const consumer = project.start(['consumer', 'handlers.js'])
    await project.core(['publish', 'slow', '{"ms":30000}'])
    await consumer.says(/begun/)
    consumer.signal('SIGINT')
    consumer.signal('SIGINT')
    await consumer.says(/stopping: 1 handler/)
    await new Promise((done) => setTimeout(done, 300)) // the length of "at once"
    expect(await consumer.stop('SIGINT')).toMatchObject({ code: 130, stdout: expect.not.stringContaining('finished') })
  })

  test('runs all with autoStart, or those for the topics and groups named', async () => {
    const source = `
import { handle } from '@corebus/core'
handle({ topic: 'a', group: 'one' }, () => {})
handle({ topic: 'b', group: 'two' }, () => {})
handle({ topic: 'c', group: 'three', autoStart: false }, () => {})
`
    const project = makeProject({ 'handlers.js': source })
    const started = async (...args: string[]): Promise<readonly unknown[]> => {
      const consumer = project.start(['consumer', 'handlers.js', '--health-port', '0', ...args])
      const [, at] = await consumer.says(/health at (http:\/\/[^/]+)\/livez/)
      // Ready comes after every group's line.
      const status = () =>
        fetch(`${at}/readyz`).then(
          (answer) => answer.status,
          () => consumer.output,
        )
      await expect.poll(status, { timeout: 10_000 }).toBe(200)
      await consumer.says(/consumer started/)
      await consumer.stop()
      return consumer.lines
        .filter(({ msg }) => String(msg).startsWith('consumer started'))
        .map(({ group, msg }) => `${group} ${/concurrency \d+/.exec(String(msg))}`)
    }
    const [all, named, both] = await Promise.all([
      started(),
      started('--topic', 'c', '--topic', 'a', '--concurrency', '3'),
      started('--group', 'two'),
    ])
    expect(all).toEqual(['one concurrency 10', 'two concurrency 10'])
    expect(named).toEqual(['one concurrency 3', 'three concurrency 3'])
    expect(both).toEqual(['two concurrency 10'])
  })

  test('with a handler that cannot be stopped exits with 70, after its other handlers have finished', async () => {
    const source = `
import { configureMessaging, handle } from '@corebus/core'
configureMessaging({ abortGraceMs: 100 })
handle({ topic: 'stuck', group: 'g', handlerTimeoutMs: 200 }, () => new Promise(() => {}))
`
    const project = makeProject({ 'handlers.js': source })
    const consumer = project.start(['consumer', 'handlers.js'])
    await project.core(['publish', 'stuck', '{}'])
    const { code, stderr } = await consumer.result()
    expect(stderr).toMatch(/^error: a handler of g still runs after its time-out and grace, on message \S+ of stuck\n$/)
    expect(code).toBe(70)
  })

  test.each([
    [
      'process.exit(0)',
      /^error: process\.exit\(0\) was called \(handlers\.js:6:\d+\), while it handled message \S+ of killer, for \d+ ms in group g\. Nothing was drained/,
    ],
    [
      'setTimeout(() => process.exit(0), 1); await new Promise(() => {})',
      /^error: process\.exit\(0\) was called \(handlers\.js:6:\d+\), while it handled message \S+ of killer, for \d+ ms in group g\./,
    ],
    [
      "void Promise.reject(new TypeError('detached')); await new Promise(() => {})",
      /^error: a promise was rejected and nobody awaits it: TypeError: detached \(handlers\.js:6:\d+\), while it handled message \S+ of killer, for \d+ ms in group g\./,
    ],
    [
      "setTimeout(() => { throw new Error('late') }, 1); await new Promise(() => {})",
      /^error: an error was thrown where nobody could catch it: Error: late \(handlers\.js:6:\d+\), while it handled message/,
    ],
  ])('whose handler says %s names what was handled, ends with 1, and the message comes again', async (statement, message) => {
    const source = `
import { handle } from '@corebus/core'
let calls = 0
handle({ topic: 'killer', group: 'g' }, async (what) => {
  if (!what.deadly) return console.log('harmless')
  ${statement}
})
`
    const project = makeProject({ 'handlers.js': source })
    await project.core(['publish', 'killer', '{"deadly":true}'])
    const { code, stderr } = await project.start(['consumer', 'handlers.js']).result()
    expect(stderr).toMatch(message)
    expect(stderr.trim().split('\n')).toHaveLength(1)
    expect(code).toBe(1)
    // Still with the process that is gone, until somebody looks.
    const [killer] = JSON.parse((await project.core(['topics', '--json'])).stdout)
    expect([killer.ready + killer.inFlight, killer.dead]).toEqual([1, 0])
  })

  test('on a file that does not exist says that it begins with an empty one; later, and in the folder of the project, it does not', async () => {
    const project = makeProject({ 'handlers.js': HANDLER })
    const path = join(project.folder, 'nosuch', 'dir', 'm.db')
    const started = async (env: Record<string, string>): Promise<readonly unknown[]> => {
      const consumer = project.start(['consumer', 'handlers.js'], { env })
      await consumer.says(/consumer started/)
      await consumer.stop()
      return consumer.lines.filter(({ level }) => level === 40).map(({ msg }) => msg)
    }
    expect(await started({ SQLITE_PATH: path })).toEqual([
      `the broker's file ${path} did not exist: a new one was made, without any messages. If there should be some, check SQLITE_PATH and the volume`,
    ])
    expect(await started({ SQLITE_PATH: path })).toEqual([])
    expect(await started({})).toEqual([])
  })

  test('run by npm stops when npm is stopped, which tells only its shell', async () => {
    const project = makeProject({
      'handlers.js': SLOW,
      'package.json': JSON.stringify({
        name: 'shop',
        type: 'module',
        scripts: { consumer: 'node node_modules/@corebus/core/bin/core.js consumer handlers.js' },
      }),
    })
    const npm = project.run([
      '-e',
      "require('node:child_process').spawn('npm', ['run', 'consumer'], { stdio: 'inherit' }).on('spawn', function () { process.on('SIGTERM', () => this.kill('SIGTERM')) })",
    ])
    await npm.says(/consumer started: pid (\d+)/)
    const pid = Number(/consumer started: pid (\d+)/.exec(npm.stdout)?.[1])
    await project.core(['publish', 'slow', '{"ms":900}'])
    await npm.says(/begun/)
    npm.signal('SIGTERM')
    await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false)
    await npm.end
    expect(npm.stdout).toContain('finished')
  })

  test('says that it stops, and that it has; and on a broker that nobody else can reach it says so', async () => {
    const project = makeProject({ 'handlers.js': HANDLER })
    const said = async (env: Record<string, string>): Promise<readonly unknown[]> => {
      const consumer = project.start(['consumer', 'handlers.js'], { env })
      await consumer.says(/consumer started/)
      if (env.MESSAGING_BROKER) await consumer.says(/no other process can reach it/)
      await consumer.stop()
      return consumer.lines.slice(-3).map(({ msg }) => msg)
    }
    expect((await said({})).slice(-2)).toEqual(['SIGTERM: stopping', 'stopped'])
    expect(await said({ MESSAGING_BROKER: 'memory' })).toEqual([
      expect.stringContaining('no other process can reach it'),
      'SIGTERM: stopping',
      'stopped',
    ])
  })

  test('whose entry closes and ends by itself at a signal is told nothing, and one that ends while something runs is', async () => {
    const source = `${SLOW}
import { close } from '@corebus/core'
process.on('SIGTERM', async () => { await close(); console.log('closed by itself'); process.exit(0) })
process.on('SIGUSR2', () => process.exit(255))
`
    const project = makeProject({ 'handlers.js': source })
    const one = project.start(['consumer', 'handlers.js'])
    await one.says(/consumer started/)
    expect(await one.stop()).toMatchObject({ code: 0, stderr: '' })
    const other = project.start(['consumer', 'handlers.js'])
    await project.core(['publish', 'slow', '{"ms":30000}'])
    await other.says(/begun/)
    other.signal('SIGUSR2')
    const { code, stderr } = await other.result()
    expect(stderr).toMatch(/^error: process\.exit\(255\) was called .*, while it handled message \S+ of slow/)
    expect(code).toBe(255)
  })

  test('whose app listens for uncaught errors itself is told of them, and goes on as the app wants', async () => {
    const source = `${SLOW}
process.on('uncaughtException', (error) => setTimeout(() => { console.log('the tracker has sent', error.message); process.exit(9) }, 300))
setTimeout(() => { throw new Error('late') }, 500)
`
    const consumer = makeProject({ 'handlers.js': source }).start(['consumer', 'handlers.js'])
    const { code, stdout, stderr } = await consumer.result()
    expect(stderr).toMatch(/^error: an error was thrown where nobody could catch it: Error: late /)
    expect(stdout).toContain('the tracker has sent late')
    expect(code).toBe(9)
  })

  test('whose entry calls process.exit while it is loaded says so', async () => {
    const { code, stderr } = await makeProject({ 'handlers.js': `${HANDLER}\nprocess.exit(0)\n` }).core(['consumer', 'handlers.js'])
    expect(stderr).toMatch(/^error: process\.exit\(0\) was called \(handlers\.js:\d+:\d+\) while the entry was loaded/)
    expect(code).toBe(1)
  })

  test('whose subscription is dead says why and exits with 1', async () => {
    const source = `${HANDLER}
import { channel } from 'node:diagnostics_channel'
const state = { service: 'shop', state: 'dead', group: 'inventory', error: new Error('the file is damaged') }
setTimeout(() => channel('corebus:state').publish(state), 500)
`
    const { code, stderr } = await makeProject({ 'handlers.js': source }).core(['consumer', 'handlers.js'])
    expect(stderr).toBe('error: group inventory stopped consuming and cannot go on: the file is damaged\n')
    expect(code).toBe(1)
  })

  test('may open ports of its own in onStart, and may run on the memory broker when it is alone', async () => {
    const source = `${HANDLER}
import { configureMessaging } from '@corebus/core'
import { createServer } from 'node:http'
const server = createServer()
configureMessaging({ onStart: () => new Promise((done) => server.listen(0, done)), onClose: () => void server.close() })
`
    const consumer = makeProject({ 'handlers.js': source }).start(['consumer', 'handlers.js'], { env: { MESSAGING_BROKER: 'memory' } })
    await consumer.says(/consumer started/)
    expect(await consumer.stop()).toMatchObject({ code: 0, stderr: '' })
  })

  test('whose entry starts messaging itself is told to leave that out', async () => {
    const project = makeProject({ 'handlers.js': `${HANDLER}\nimport { start } from '@corebus/core'\nawait start()\n` })
    const { code, stderr } = await project.core(['consumer', 'handlers.js'])
    expect(stderr).toBe(
      'error: handlers.js starts messaging itself. Leave that out: an entry only registers handlers, and npx corebus consumer starts them\n',
    )
    expect(code).toBe(2)
  })

  test('finds the handlers of another copy of the package, which is the one its entry imports', async () => {
    const project = makeProject({ 'handlers.js': HANDLER }, { copied: true })
    // A command line of its own, as one installed globally: the repository's.
    const consumer = makeProject({}).start(['consumer', `${project.folder}/handlers.js`], { cwd: project.folder })
    await consumer.says(/consumer started: pid \d+, group inventory/)
    expect((await consumer.stop()).code).toBe(0)
  })
})

describe('the entry', () => {
  test('is corebus.entry in package.json, from any folder of the project', async () => {
    const manifest = JSON.stringify({ name: 'shop', type: 'module', corebus: { entry: 'lib/handlers.js' } })
    const project = makeProject({
      'package.json': manifest,
      'lib/handlers.js': HANDLER,
      'src/consumer.ts': 'throw new Error("not this one")',
    })
    const consumer = project.start(['consumer'], { cwd: `${project.folder}/lib` })
    await consumer.says(/consumer started: pid \d+, group inventory/)
    await consumer.stop()
  })

  test('may be TypeScript of a CommonJS package with legacy decorators, run from elsewhere', async () => {
    const project = makeProject({
      'package.json': '{ "name": "shop" }',
      'tsconfig.json': '{ "compilerOptions": { "experimentalDecorators": true } }',
      'src/main.ts': `
import { consumer, onEvent } from '@corebus/core'
import { greeting } from './greeting'
function logged(target: object, key: string, descriptor: PropertyDescriptor): void {
  if (typeof target !== 'object' || typeof descriptor.value !== 'function') throw new Error('not legacy: ' + key)
}
@consumer('legacy', { topics: ['user-events'] })
export class Users {
  @onEvent('user.created') @logged
  welcome(): void { console.log(greeting) }
}
`,
      'src/greeting.ts': `export const greeting: string = 'welcome'\n`,
      'elsewhere/package.json': '{ "name": "elsewhere" }',
    })
    const consumer = project.start(['consumer', '../src/main.ts'], {
      cwd: `${project.folder}/elsewhere`,
      env: { SQLITE_PATH: `${project.folder}/m.db` },
    })
    await consumer.says(/consumer started: pid \d+, group legacy/)
    await project.core(['publish', 'user-events', '--event', 'user.created'], { env: { SQLITE_PATH: `${project.folder}/m.db` } })
    await consumer.says(/^welcome/m)
    expect((await consumer.stop()).code).toBe(0)
  })
})

describe('the environment', () => {
  const project = () =>
    makeProject({
      'handlers.js': `throw new Error([process.env.ONE, process.env.TWO, process.env.THREE].join())`,
      '.env': 'ONE=env\nTWO="env"\n',
      'a.env': 'TWO=a\nTHREE=a\n',
      'b.env': 'THREE=b # the last one wins\n',
      'sub/x.txt': '',
    })

  test('has the variables of .env beside package.json, or of the files named instead; what is set already wins', async () => {
    const { core, folder } = project()
    const [standard, below, named] = await Promise.all([
      core(['consumer', 'handlers.js'], { env: { ONE: 'set' } }),
      core(['consumer', '../handlers.js'], { cwd: `${folder}/sub` }),
      core(['consumer', 'handlers.js', '--env-file', 'a.env', '--env-file', 'b.env']),
    ])
    expect(standard.stderr).toContain('Error: set,env, (')
    expect(below.stderr).toContain('Error: env,env, (')
    expect(named.stderr).toContain('Error: ,a,b (')
  })

  test('has no file that is not there', async () => {
    const { code, stderr } = await project().core(['consumer', 'handlers.js', '--env-file', 'c.env'])
    // Some versions of Node take --env-file for their own wherever it stands, and find it missing before we do: then it is their line and 9.
    expect(stderr).toMatch(/^error: the environment file \S+\/c\.env cannot be read: ENOENT.*\n$|^\S*node: c\.env: not found\n$/)
    expect([2, 9]).toContain(code)
  })
})

describe('health', () => {
  test('is answered on HEALTH_PORT: live and ready once it consumes', async () => {
    const consumer = makeProject({ 'handlers.js': HANDLER, '.env': 'HEALTH_PORT=0\n' }).start(['consumer', 'handlers.js'])
    const [, at] = await consumer.says(/health at (http:\/\/127\.0\.0\.1:\d+)\/livez/)
    await consumer.says(/consumer started/)
    const live = await fetch(`${at}/livez`)
    expect([live.status, await live.json()]).toMatchObject([
      200,
      { live: true, ready: true, reasons: [], groups: [{ group: 'inventory' }] },
    ])
    expect((await fetch(`${at}/readyz?x=1`)).status).toBe(200)
    expect((await fetch(`${at}/`)).status).toBe(404)
    await consumer.stop()
  })

  test('on a port that is taken is one clear error', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const { port } = server.address() as AddressInfo
    const { code, stderr } = await makeProject({ 'handlers.js': HANDLER }).core(['consumer', 'handlers.js', '--health-port', String(port)])
    expect(stderr).toBe(
      `error: port ${port} of 127.0.0.1, for /livez and /readyz, is used by another process. Choose another with --health-port or HEALTH_PORT (--health-host or HEALTH_HOST)\n`,
    )
    expect(code).toBe(1)
  })
})

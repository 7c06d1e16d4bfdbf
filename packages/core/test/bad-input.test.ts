import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { makeProject, type Result } from './project.ts'

const HANDLER = `
import { handle } from '@corebus/core'
handle({ topic: 'orders.created', group: 'inventory' }, (message) => console.log('got', JSON.stringify(message)))
`
const ORDER = ['publish', 'orders.created', '{"id":1}']

/** Nothing is read-only for root, who therefore runs as somebody else, if that one may read this checkout. */
const somebody = process.getuid?.() === 0 ? { uid: 65_534 } : {}
const mayRead =
  somebody.uid === undefined ||
  spawnSync(process.execPath, ['--check', join(import.meta.dirname, '../bin/core.js')], { uid: somebody.uid, gid: somebody.uid }).status ===
    0

/** stderr without the line that says which broker it is. */
function errorOf({ stderr }: Result): string {
  return stderr.replace(/^broker .*\n/, '').trimEnd()
}

describe('the broker', () => {
  test('whose library is not installed is named with the package to install', async () => {
    const project = makeProject({}, { copied: true })
    const result = await project.core(ORDER, { env: { MESSAGING_BROKER: 'redis' } })
    expect(errorOf(result)).toBe('error: the broker redis needs the package "redis": npm install redis')
    expect(result.code).toBe(2)
  })

  test('that is named with an address of another one', async () => {
    const result = await makeProject({}).core(ORDER, {
      env: { MESSAGING_BROKER: 'rabbitmq', RABBITMQ_URL: 'http://user:secret@localhost:5672' },
    })
    expect(errorOf(result)).toMatch(/^error: the configuration has a mistake: RABBITMQ_URL .*amqp:\/\//)
    expect(result.stderr).not.toContain('secret')
    expect(result.code).toBe(2)
  })

  test('that two addresses could mean is asked for', async () => {
    const result = await makeProject({}).core(ORDER, {
      env: { RABBITMQ_URL: 'amqp://localhost', KAFKA_BOOTSTRAP_SERVERS: 'localhost:9092' },
    })
    expect(errorOf(result)).toBe(
      'error: the configuration has a mistake: KAFKA_BOOTSTRAP_SERVERS (kafka) and RABBITMQ_URL (rabbitmq) are set: set MESSAGING_BROKER to kafka or rabbitmq, to say which is meant',
    )
    expect(result.code).toBe(2)
  })

  test('that production does not name is an error that lists what was found', async () => {
    const result = await makeProject({}).core(ORDER, { env: { NODE_ENV: 'production', REDIS_URL: 'redis://:secret@cache' } })
    expect(errorOf(result)).toMatch(
      /^error: .*NODE_ENV is production and no broker is named: set MESSAGING_BROKER.*Found: REDIS_URL \(redis:\/\/:\*\*\*@cache\)$/,
    )
    expect(result.code).toBe(2)
  })

  test('in a mistyped variable: development goes on and says so, production does not', async () => {
    const project = makeProject({})
    const [development, production] = await Promise.all([
      project.core(ORDER, { env: { MESSAGING_BROKR: 'sqlite' } }),
      project.core(ORDER, { env: { MESSAGING_BROKR: 'sqlite', NODE_ENV: 'production' } }),
    ])
    const hint = 'MESSAGING_BROKR is set and is not read: did you mean MESSAGING_BROKER?'
    expect(errorOf(development)).toBe(`warn: ${hint}`)
    expect(development.code).toBe(0)
    expect(errorOf(production)).toMatch(/^error: .*no broker is named/)
    expect(production.stderr).toContain(hint)
    expect(production.code).toBe(2)
  })

  test('in memory is refused where several processes would have to share it', async () => {
    const project = makeProject({ 'handlers.js': HANDLER })
    const env = { MESSAGING_BROKER: 'memory' }
    const [publish, workers, topics] = await Promise.all([
      project.core(ORDER, { env }),
      project.core(['consumer', 'handlers.js', '--workers', '2'], { env }),
      project.core(['topics'], { env }),
    ])
    const why =
      'needs a broker that several processes share, and the broker memory lives inside one process and ends with it. Use MESSAGING_BROKER=sqlite'
    expect(errorOf(publish)).toContain(`error: npx corebus publish ${why}`)
    expect(publish.code).toBe(2)
    expect(errorOf(topics)).toContain(`error: npx corebus topics ${why}`)
    expect(topics.code).toBe(2)
    expect(errorOf(workers).match(/error:/g)).toHaveLength(1)
    expect(errorOf(workers)).toContain(`error: --workers ${why}`)
    expect(workers.code).toBe(2)
  })

  test.skipIf(!mayRead)('whose file cannot be written (skipped for root in a folder that nobody else may read)', async () => {
    const project = makeProject({})
    const file = join(project.folder, 'data', 'messages.db')
    mkdirSync(join(project.folder, 'data'))
    expect((await project.core(ORDER, { env: { SQLITE_PATH: file } })).code).toBe(0)
    chmodSync(file, 0o444)
    chmodSync(join(project.folder, 'data'), 0o555)
    chmodSync(project.folder, 0o755)
    const result = await project.core(ORDER, { env: { SQLITE_PATH: file }, ...somebody })
    chmodSync(join(project.folder, 'data'), 0o755)
    expect(errorOf(result)).toMatch(/^error: .*data\/messages\.db .*(permission|cannot be written)/)
    expect(errorOf(result).split('\n')).toHaveLength(1)
    expect(result.code).toBe(1)
  })
})

describe('the entry', () => {
  test('names the topics there are when an unknown one is asked for', async () => {
    const result = await makeProject({ 'handlers.js': HANDLER }).core(['consumer', 'handlers.js', '--topic', 'orders.craeted'])
    expect(errorOf(result)).toBe('error: no handler for topic orders.craeted. There are: orders.created (group inventory)')
    expect(result.code).toBe(2)
  })

  test('that throws is told with its own message and line, and with a stack only when asked', async () => {
    const project = makeProject({
      'src/consumer.ts': `import { connect } from './db.ts'\nconnect()\n`,
      'src/db.ts': `type Url = string\nexport function connect(url?: Url): void {\n  throw new TypeError('DATABASE_URL is missing')\n}\n`,
    })
    const [short, long] = await Promise.all([project.core(['consumer']), project.core(['consumer', '-v'])])
    expect(errorOf(short)).toBe('error: src/consumer.ts could not be loaded: TypeError: DATABASE_URL is missing (src/db.ts:3:9)')
    expect(short.code).toBe(1)
    expect(errorOf(long)).toMatch(/^error: .*\(src\/db.ts:3:9\)\nTypeError: DATABASE_URL is missing\n +at connect/)
    expect(long.code).toBe(1)
  })

  test('that rejects in something nobody awaits, never finishes, or cannot be parsed', async () => {
    const project = makeProject({
      'floating.js': `Promise.reject(new Error('no database'))\n`,
      'forever.js': 'await new Promise(() => {})\n',
      'broken.js': 'const x = {{\n',
    })
    const [floating, forever, broken] = await Promise.all(
      ['floating.js', 'forever.js', 'broken.js'].map((file) => project.core(['consumer', file])),
    )
    expect(errorOf(floating as Result)).toBe('error: floating.js could not be loaded: Error: no database (floating.js:1:16)')
    expect(errorOf(forever as Result)).toBe('error: forever.js never finished loading: it awaits something that never comes')
    expect(errorOf(broken as Result)).toMatch(
      /^error: broken\.js could not be loaded: SyntaxError: Unexpected token '\{' \(broken\.js:1\)$/,
    )
    expect([floating, forever, broken].map((result) => result?.code)).toEqual([1, 1, 1])
  })

  test('that opens a port while it loads, or later in a main() of its own, is told where and what to do', async () => {
    const project = makeProject({
      'now.js': `import { createServer } from 'node:http'\ncreateServer().listen(3000)\n`,
      'late.js': `import { createServer } from 'node:http'\n${HANDLER}\nasync function main() {\n  await new Promise((done) => setTimeout(done, 300))\n  createServer().listen({ port: 0 })\n}\nmain()\n`,
    })
    const [now, late] = await Promise.all([project.core(['consumer', 'now.js']), project.core(['consumer', 'late.js'])])
    expect(errorOf(now)).toMatch(
      /^error: the entry opens port 3000 while it loads \(now\.js:2:16\)\. .* only registers handlers: move the server .*corebus\.entry/,
    )
    expect(now.code).toBe(2)
    expect(errorOf(late)).toMatch(/^error: the entry opens a free port while it loads \(late\.js:8:18\)\. /)
    expect(late.code).toBe(2)
  })

  test('with two handlers for the same messages in one group', async () => {
    const twice = `import { handle } from '@corebus/core'\nhandle({ topic: 't', group: 'g' }, function first() {})\nhandle({ topic: 't', group: 'g' }, function second() {})\n`
    const result = await makeProject({ 'handlers.js': twice }).core(['consumer', 'handlers.js'])
    expect(errorOf(result)).toMatch(
      /^error: the handlers cannot be started: first .* and second .* both handle the messages of topic t in group g\. Give one of them its own group/,
    )
    expect(result.code).toBe(2)
  })

  test('with a class whose constructor has arguments and no resolve', async () => {
    const source = `import { consumer, onEvent } from '@corebus/core'
@consumer('orders', { topics: ['user-events'] })
class Orders {
  constructor(private readonly db: object) {}
  @onEvent('user.created') welcome(): void { console.log(this.db) }
}
void Orders
`
    const result = await makeProject({ 'src/consumer.ts': source }).core(['consumer'])
    expect(errorOf(result)).toBe(
      'error: Orders has a constructor with arguments: give configureMessaging a resolve, such as resolve: (Class) => container.get(Class)',
    )
    expect(result.code).toBe(2)
  })

  test('with a z.date() in an event', async () => {
    const source = `import { defineEvent } from '@corebus/core'
import { z } from 'zod'
export const Paid = defineEvent('order.paid', z.object({ at: z.date() }), { topic: 'orders' })
`
    const result = await makeProject({ 'src/consumer.ts': source }).core(['consumer'])
    expect(errorOf(result)).toMatch(
      /^error: event order\.paid cannot travel as JSON:\s+at: a Date becomes a string .* \(src\/consumer\.ts:3:21\)$/,
    )
    expect(result.code).toBe(2)
  })

  test('that is not there, is TypeScript without tsx, or registers nothing', async () => {
    const project = makeProject({ 'handlers.ts': '', 'empty.js': '' }, { tsx: false })
    const [none, missing, typescript, empty] = await Promise.all([
      project.core(['consumer']),
      project.core(['consumer', 'src/nope.ts']),
      project.core(['consumer', 'handlers.ts']),
      project.core(['consumer', 'empty.js']),
    ])
    expect(errorOf(none)).toContain('error: no entry found: tried corebus.entry in package.json, src/consumer.ts and src/main.ts in ')
    expect(errorOf(missing)).toContain('error: there is no file src/nope.ts to load handlers from')
    expect(errorOf(typescript)).toBe('error: handlers.ts is TypeScript, and that needs the package "tsx": npm install tsx')
    expect(errorOf(empty)).toContain('error: empty.js was loaded, and there are no handlers: register some with')
    expect([none, missing, typescript, empty].map(({ code }) => code)).toEqual([2, 2, 2, 2])
  })
})

describe('a message', () => {
  test('that cannot be written as JSON fails where it is sent', async () => {
    const script = `
import { close, getProducer } from '@corebus/core'
const cycle = {}
cycle.self = cycle
for (const message of [{ n: 1n }, cycle])
  await getProducer().send('orders.created', message).catch((error) => console.error(error.code, error.message))
await close()
`
    const project = makeProject({ 'send.js': script })
    const { stderr } = await project.node(['send.js'])
    expect(stderr.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/^PAYLOAD_NOT_JSON the message for orders\.created cannot be written as JSON: .*BigInt/),
      expect.stringMatching(/^PAYLOAD_NOT_JSON the message for orders\.created cannot be written as JSON: .*circular/),
    ])
  })

  test('over the limit, or no JSON, is refused by core publish', async () => {
    const project = makeProject({})
    const [large, broken] = await Promise.all([
      project.core(['publish', 'orders.created', '-'], { input: JSON.stringify('x'.repeat(1_000_000)) }),
      project.core(['publish', 'orders.created', '{id: 1}']),
    ])
    expect(errorOf(large)).toMatch(/^error: a message for orders\.created has \d+ bytes, at most 900000 are allowed \(maxBytes\)/)
    expect(large.code).toBe(2)
    expect(large.stdout).toBe('')
    expect(errorOf(broken)).toMatch(/^error: the message is no JSON: .*Mind the quotes of your shell/)
    expect(broken.code).toBe(2)
  })

  test('from outside that is no JSON, and one that does not fit its schema, go to the dead letters at once and the consumer lives on', async () => {
    const source = `
import { defineEvent, getProducer, on } from '@corebus/core'
import { z } from 'zod'
const Created = defineEvent('user.created', z.object({ id: z.number() }), { topic: 'user-events' })
on(Created, { group: 'orders' }, ({ data }) => console.log('welcome', data.id))
`
    const send = `import { close, getProducer } from '@corebus/core'\nawait getProducer().send('user-events', Buffer.from('no json'))\nawait close()\n`
    const project = makeProject({ 'handlers.js': source, 'send.js': send })
    const consumer = project.start(['consumer', 'handlers.js'])
    await consumer.says(/consumer started/)
    await project.node(['send.js'])
    await project.core(['publish', 'user-events', '{"id":"one"}', '--event', 'user.created'])
    await project.core(['publish', 'user-events', '{"id":1}', '--event', 'user.created'])
    await consumer.says(/welcome 1/)
    const dead = consumer.lines.filter(({ level }) => level === 40)
    expect(dead.map(({ msg, reason, attempt, topic, group }) => ({ msg, reason, attempt, topic, group }))).toEqual([
      {
        msg: expect.stringContaining('moved to dead letters: message from user-events'),
        reason: 'not-json',
        attempt: 1,
        topic: 'user-events',
        group: 'orders',
      },
      {
        msg: expect.stringContaining('moved to dead letters: user.created from user-events'),
        reason: 'schema',
        attempt: 1,
        topic: 'user-events',
        group: 'orders',
      },
    ])
    expect((await consumer.stop()).code).toBe(0)
  })
})

describe('an older Node', () => {
  const old = '/usr/bin/node'
  const version = spawnSync(old, ['-p', 'process.versions.node'], { encoding: 'utf8' }).stdout?.trim() ?? ''
  const [major = 99, minor = 0] = version === '' ? [] : version.split('.').map(Number)
  const isOld = major < 22 || (major === 22 && minor < 13)
  if (!isOld) console.log(`skipped: no older Node to try, ${old} is ${version === '' ? 'not there' : version}`)

  test.skipIf(!isOld)(
    'gets one clear line from the command, and from the import an error that says it and ends nobody who waits for it',
    async () => {
      const project = makeProject({})
      const line = `Corebus needs Node 22.13 or later; this is Node ${version}. Install a current one from https://nodejs.org\n`
      const index = pathToFileURL(join(import.meta.dirname, '..', 'dist', 'index.js')).href
      const [command, imported, caught] = await Promise.all([
        project.core(['topics'], { node: old }),
        project.node(['--input-type=module', '-e', `await import(${JSON.stringify(index)})`], { node: old }),
        project.node(['--input-type=module', '-e', `await import(${JSON.stringify(index)}).catch(({ message }) => console.log(message))`], {
          node: old,
        }),
      ])
      expect(command).toEqual({ code: 1, stdout: '', stderr: line })
      expect(imported).toEqual({ code: 1, stdout: '', stderr: expect.stringContaining(`Error: ${line}`) })
      expect(caught).toEqual({ code: 0, stdout: line, stderr: '' })
    },
  )
})

import { cpSync, symlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test, vi } from 'vitest'
import { makeProject } from './project.ts'

const MODULES = resolve(import.meta.dirname, '..', '..', '..', 'node_modules')
const QUIET = { env: { MESSAGING_BROKER: 'memory', LOG_LEVEL: 'warn' } }

const MESSAGING = `import { configureMessaging } from '@corebus/core'
export const messaging = configureMessaging({ session: (work) => work('tx') })`

const FUNCTIONS = `import { messageHandler, on } from '@corebus/core'
on('user.created', { group: 'mail', topic: 'users' }, function welcome() {})
messageHandler({ topic: 'orders', group: 'mail' }, () => { console.log('handled'); process.emit('handled') })`

const CLASS = `import { consumer, onEvent } from '@corebus/core'
@consumer('mail', { topics: ['users'] })
export class Mail {
  @onEvent('user.created')
  welcome() { console.log('handled'); process.emit('handled') }
  @onEvent('user.deleted')
  farewell() {}
}`

/** Runs it under tsx and says what came of it. */
async function outcomeOf(files: Readonly<Record<string, string>>): Promise<string> {
  const { folder, node } = makeProject({ 'tsconfig.json': '{"compilerOptions":{"target":"es2022"}}', ...files })
  const { stdout, stderr } = await node(['--import', 'tsx', 'main.ts'], QUIET)
  return (stdout + stderr).replaceAll(folder, '')
}

const started = `.then(() => console.log('started'), ({ code, message }) => console.log(code, message))`

test.each([
  ['functions', FUNCTIONS, 'welcome (on(user.created)) at ', /, from \/handlers\.ts:2, \/handlers\.ts:3\. That module was evaluated twice/],
  ['a class', CLASS, 'Mail.welcome, Mail.farewell', /, from \/handlers\.ts:3\. That module was evaluated twice/],
])(
  '%s of a module that is evaluated twice before the start: one line names the handlers, the file and the cause',
  async (_, handlers, named, places) => {
    const said = await outcomeOf({
      'handlers.ts': handlers,
      'main.ts': `import { start } from '@corebus/core'
      await import('./handlers.ts')
      await import('./handlers.ts?again')
      await start()${started}`,
    })
    expect(said).toContain('HANDLERS the handlers cannot be started: registered twice: ')
    expect(said).toContain(named)
    expect(said).toMatch(places)
    expect(said.trim().split('\n')).toHaveLength(1)
  },
)

test('a function of a module that is evaluated again after the start is an error that says which one runs', async () => {
  const said = await outcomeOf({
    'handlers.ts': FUNCTIONS,
    'main.ts': `import { close, start } from '@corebus/core'
      await import('./handlers.ts')
      await start()
      await import('./handlers.ts?again')${started}
      await close()`,
  })
  expect(said).toMatch(
    /^STARTED welcome \(on\(user\.created\)\) at .*handlers\.ts:2 was registered after start: .* its module was evaluated again/,
  )
})

test('a class is not doubled by it: that it runs as it was is said, once, and each event is handled once', async () => {
  const said = await outcomeOf({
    'handlers.ts': CLASS,
    'main.ts': `import { once } from 'node:events'
      import { close, publishEvent, start } from '@corebus/core'
      await import('./handlers.ts')
      await start()
      await import('./handlers.ts?again')
      const handled = once(process, 'handled')
      await publishEvent('user.created', {}, { topic: 'users' })
      await handled
      await close()`,
  })
  expect(said.match(/handled/g)).toHaveLength(1)
  expect(said.match(/@consumer Mail at \/handlers\.ts:\d was registered before, and runs as it was/g)).toHaveLength(1)
})

test('configureMessaging of a module that is evaluated twice says so', async () => {
  const said = await outcomeOf({
    'messaging.ts': MESSAGING,
    'main.ts': `await import('./messaging.ts')
      await import('./messaging.ts?again')${started}`,
  })
  expect(said).toMatch(
    /^CONFIGURED configureMessaging was called before with other options, at \/messaging\.ts:2, which was evaluated twice/,
  )
})

test('two copies of the package share what is registered: handlers of one are run by the other, once', async () => {
  const { folder, node } = makeProject(
    {
      'library/package.json': '{"type":"module"}',
      'library/handlers.js': `import { messageHandler } from '@corebus/core'
        messageHandler({ topic: 'orders', group: 'mail' }, () => { console.log('handled'); process.emit('handled') })
        export { messageHandler }`,
      'main.js': `import { once } from 'node:events'
        import { close, getProducer, messageHandler, start } from '@corebus/core'
        import { messageHandler as theirs } from './library/handlers.js'
        console.log(messageHandler === theirs ? 'one copy' : 'two copies')
        await start()
        const handled = once(process, 'handled')
        await getProducer().send('orders', 1)
        await handled
        await close()`,
    },
    { copied: true },
  )
  const modules = join(folder, 'library', 'node_modules')
  cpSync(join(folder, 'node_modules', '@corebus'), join(modules, '@corebus'), { recursive: true })
  for (const name of ['pino', 'pino-pretty', 'reflect-metadata', 'zod']) symlinkSync(join(MODULES, name), join(modules, name))
  expect((await node(['main.js'], QUIET)).stdout).toBe('two copies\nhandled\n')
})

test('a loop over topics, and a class that is listed twice, are no module that was evaluated twice', async () => {
  const said = await outcomeOf({
    'mail.ts': CLASS,
    'main.ts': `import { createMessaging, defineEvent, on, start } from '@corebus/core'
      import { z } from 'zod'
      import { Mail } from './mail.ts'
      for (const topic of ['eu.users', 'us.users']) on(defineEvent('user.created', z.object({}), { topic }), { group: 'g' }, () => {})
      const other = createMessaging({ service: 's', handlers: [Mail, Mail] })
      await other.start().then(() => start())${started}
      process.exit(0)`,
  })
  expect(said.trim().split('\n').at(-1)).toBe('started')
})

test('a class that a decorator replaces is followed for a second copy of the package too', async () => {
  const first = await import('../src/decorators/record.ts')
  vi.resetModules()
  const second: typeof first = await import('../src/decorators/record.ts')
  expect(second.recordClass).not.toBe(first.recordClass)
  class Written {}
  const record = (type: typeof Written) => second.recordClass(type, { name: 'Written' }, { autoStart: false, context: undefined })
  const replace = (type: typeof Written) => class extends type {}
  const { decorate } = Reflect as unknown as { decorate(decorators: unknown[], target: unknown): typeof Written }
  const replaced = decorate([replace, record], Written)
  const { registry } = await import('../src/process/registry.ts')
  expect([registry.classes.has(replaced), registry.classes.has(Written)]).toEqual([true, false])
  registry.classes.delete(replaced)
})

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { collector, onMemory } from '../../test/kit.ts'
import { makeProject } from '../../test/project.ts'
import { consumer, onEvent } from '../decorators/consumer.ts'
import { registry } from '../process/registry.ts'
import { awaitsCompanion, awaitsStart, endsWaiting, takesWanted } from './unstarted.ts'

beforeEach(() => {
  vi.useFakeTimers()
  registry.waiting.clear()
  registry.endWatch?.()
  registry.wanted = undefined
  registry.taken = undefined
})
afterEach(() => void vi.useRealTimers())

const entry = (owner: object, where: string, logger = collector('warn').logger) => ({ owner, where, logger })

test('what nothing starts is said once, after ten seconds, with the first five places', async () => {
  const { logger, lines } = collector('warn')
  const [started, forgotten] = [{}, {}]
  awaitsStart({}, entry(started, 'Started.one', logger))
  for (let i = 1; i <= 7; i++) awaitsStart({}, entry(forgotten, `Forgotten.${i}`, logger))
  endsWaiting(started)
  await vi.advanceTimersByTimeAsync(9_999)
  expect(lines).toEqual([])
  await vi.advanceTimersByTimeAsync(20_000)
  expect(lines.map(({ msg }) => msg)).toEqual([
    expect.stringMatching(
      /^handlers are registered and nothing has started them: Forgotten\.1, .*Forgotten\.5 and 2 more\. Call start\(\)/,
    ),
  ])
})

test('what is registered for a companion that no instance has is said beside handlers, and not what one runs, now or later', async () => {
  const { logger, lines } = collector('warn')
  awaitsStart({}, entry({}, 'Forgotten.one', logger))
  const one = (name: string) => ({ where: `schedule ${name}`, hint: 'Give configureMessaging({ schedules: sqlSchedules() })', what: {} })
  awaitsCompanion('schedules', one('nightly'))
  awaitsCompanion('others', one('other'))
  takesWanted('others')
  awaitsCompanion('others', one('later'))
  await vi.advanceTimersByTimeAsync(30_000)
  expect(lines.map(({ msg }) => msg)).toEqual([
    'nothing runs what is registered: schedule nightly. Give configureMessaging({ schedules: sqlSchedules() }). It runs from the start, the first request or the first session of that instance on',
    expect.stringMatching(/^handlers are registered and nothing has started them: Forgotten\.one\. Call start/),
  ])
})

test('nothing is said of an instance that was started or closed', async () => {
  vi.useRealTimers()
  const { logger, lines } = collector('warn')
  const [started, closed] = [onMemory({ logger }), onMemory({ logger })]
  for (const messaging of [started, closed]) messaging.handle({ topic: 't' }, () => undefined)
  await started.start()
  await closed.close()
  process.emit('beforeExit', 0)
  expect(lines).toEqual([])
})

test('an instance without handlers names those that others have', async () => {
  vi.useRealTimers()
  @consumer('decorated', { topics: ['t'] })
  class Decorated {
    @onEvent('x')
    method() {}
  }
  await expect(onMemory().start()).rejects.toMatchObject({
    code: 'NO_HANDLERS',
    message: `there are no handlers: those there are belong to another instance: @consumer ${Decorated.name}. An instance of createMessaging runs what is registered on it, and the classes in its option handlers`,
  })
})

const FORGOTTEN = `import { handle, messageHandler } from '@corebus/core'
handle({ topic: 'orders.created', group: 'inventory' }, function reserve() {})
messageHandler({ topic: 'nightly', autoStart: false }, () => {})
`

test('a script that registers and does not start ends with a line that says so', async () => {
  vi.useRealTimers()
  const { code, stdout } = await makeProject({ 'main.js': FORGOTTEN }).node(['main.js'])
  expect(code).toBe(0)
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(lines).toEqual([
    expect.objectContaining({
      level: 40,
      handlers: 1,
      msg: expect.stringMatching(/nothing has started them: reserve \(messageHandler\(orders\.created\)\) at .*main\.js:2\./),
    }),
  ])
})

test('core consumer names the file that it loaded, and whose the handlers are that it found', async () => {
  vi.useRealTimers()
  const project = makeProject({
    'mine.js': `import { createMessaging } from '@corebus/core'\nexport const mine = createMessaging({ service: 's' })\nmine.handle({ topic: 't' }, function charge() {})\n`,
    'types.ts': `import type { X } from './handlers.ts'\nexport type Y = X\n`,
    'handlers.ts': `${FORGOTTEN}\nexport type X = string`,
  })
  const [mine, types] = await Promise.all([project.core(['consumer', 'mine.js']), project.core(['consumer', 'types.ts'])])
  expect(mine.stderr).toMatch(
    /^error: mine\.js was loaded, and there are no handlers: those there are belong to an instance made by createMessaging, .*: charge \(/,
  )
  expect(types.stderr).toMatch(
    /^error: types\.ts was loaded, and there are no handlers: .*a compiler drops an import of which only types are used/,
  )
  expect([mine.code, types.code]).toEqual([2, 2])
})

test('what was said stays known: a start after that names whose the handlers are, and what comes later is said too', async () => {
  const { logger, lines } = collector('warn')
  awaitsStart({}, entry({}, 'Other.one', logger))
  await vi.advanceTimersByTimeAsync(10_000)
  vi.useRealTimers()
  await expect(onMemory().start()).rejects.toThrow(/those there are belong to another instance: .*Other\.one/)
  vi.useFakeTimers()
  awaitsStart({}, entry({}, 'Other.two', logger))
  await vi.advanceTimersByTimeAsync(10_000)
  expect(lines.map(({ msg }) => msg)).toEqual([
    expect.stringContaining('started them: Other.one.'),
    expect.stringContaining('started them: Other.two.'),
  ])
})

test('nothing is left watching when nothing waits any more', () => {
  const before = process.listenerCount('beforeExit')
  for (let i = 0; i < 12; i++) {
    const owner = {}
    awaitsStart({}, entry(owner, 'x'))
    endsWaiting(owner)
  }
  expect(process.listenerCount('beforeExit')).toBeLessThanOrEqual(before)
})

test('a class of another instance that says autoStart: false is not asked about', async () => {
  vi.useRealTimers()
  @consumer('nightly', { topics: ['t'], autoStart: false })
  class Nightly {
    @onEvent('x')
    method() {}
  }
  const { logger, lines } = collector('warn')
  onMemory({ handlers: [Nightly], logger })
  process.emit('beforeExit', 0)
  expect(lines).toEqual([])
})

test('core consumer says nothing of an entry that takes long to load: it starts it', async () => {
  vi.useRealTimers()
  const project = makeProject({
    // Eleven seconds, as far as timers go.
    'slow.js': `import { mock } from 'node:test'
import { handle } from '@corebus/core'
mock.timers.enable({ apis: ['setTimeout'] })
handle({ topic: 't', group: 'g' }, () => {})
mock.timers.tick(11_000)
mock.timers.reset()
`,
  })
  const consumer = project.start(['consumer', 'slow.js'])
  await consumer.says(/consumer started/)
  await consumer.stop()
  expect(consumer.stdout).not.toContain('nothing has started them')
})

import { pino } from 'pino'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { z } from 'zod'
import { until } from '../test/kit.ts'
import type { MessagingOptions } from './config/messaging-options.ts'
import { ownEvents } from './envelopes/index.ts'
import type * as Corebus from './index.ts'
import { newId } from './wire/id.ts'

const REGISTRY = Symbol.for('corebus.registry')
const globals = globalThis as { [REGISTRY]?: Record<string, unknown> }

/** As in a process that has just started. */
async function freshCorebus(): Promise<typeof Corebus> {
  vi.resetModules()
  const corebus = await import('./index.ts')
  onTestFinished(() => corebus.close())
  return corebus
}

const options = (): MessagingOptions<never> => ({
  broker: 'memory',
  url: `memory://${newId()}`,
  service: 'test',
  env: {},
  logger: pino({ level: 'silent' }),
})

beforeEach(() => {
  delete globals[REGISTRY]
})

describe('configureMessaging', () => {
  test('importing makes no instance', async () => {
    await freshCorebus()
    expect(globals[REGISTRY]?.messaging).toBeUndefined()
  })

  test('after the first use is an error that says where that was', async () => {
    const { configureMessaging, getProducer } = await freshCorebus()
    vi.stubEnv('MESSAGING_BROKER', 'memory')
    getProducer()
    vi.unstubAllEnvs()
    expect(() => configureMessaging(options())).toThrow(
      expect.objectContaining({
        code: 'CONFIGURED',
        message: expect.stringMatching(
          /comes after the first use of messaging, at .*default\.test\.ts:\d+, which read the environment\. Call it before$/,
        ),
      }),
    )
  })

  test('twice with the same options is the same instance; registering handlers is no use', async () => {
    const { configureMessaging, defaultMessaging, on } = await freshCorebus()
    on('x', { topic: 't' }, () => undefined)
    const given = { ...options(), auth: undefined as never }
    const messaging = configureMessaging(given)
    expect(configureMessaging({ ...given })).toBe(messaging)
    expect(defaultMessaging()).toBe(messaging)
  })

  test.each<[string, MessagingOptions<never>, MessagingOptions<never>]>([
    ['another topic', { defaultTopic: 'a' }, { defaultTopic: 'b' }],
    ['one option more', {}, { defaultTopic: 'b' }],
    ['another session', { session: (work) => work(1 as never) }, { session: (work) => work(2 as never) }],
    ['other classes', { handlers: [class A {}] }, { handlers: [class B {}] }],
    ['something else inside of an option', { publish: { timeoutMs: 1 } }, { publish: { timeoutMs: 2 } }],
  ])('twice with other options is an error that says where the first was: %s', async (_, first, second) => {
    const { configureMessaging } = await freshCorebus()
    const given = options()
    configureMessaging({ ...given, ...first })
    expect(() => configureMessaging({ ...given, ...second })).toThrow(
      expect.objectContaining({
        code: 'CONFIGURED',
        message: expect.stringMatching(
          /called before with other options, at .*default\.test\.ts:\d+\. Call it once, or use createMessaging/,
        ),
      }),
    )
  })

  test('that was wrong may be called again', async () => {
    const { configureMessaging } = await freshCorebus()
    expect(() => configureMessaging({ ...options(), concurrency: 0 })).toThrow(expect.objectContaining({ code: 'CONFIG' }))
    expect(() => configureMessaging(options())).not.toThrow()
  })
})

describe('what is exported', () => {
  test('belongs to the default instance', async () => {
    const { close, configureMessaging, emit, getProducer, handle, messageHandler, on, publishEvent, start, use } = await freshCorebus()
    const log: string[] = []
    on('x', { topic: 't', group: 'a' }, ({ data }) => void log.push(`on ${data}`))
    handle({ topic: 't', group: 'b' }, ({ data }) => void log.push(`handle ${data}`))
    messageHandler({ topic: 'u' }, (message) => void log.push(`messageHandler ${message}`))
    const messaging = configureMessaging(options())
    use({
      publish: (message, next) => {
        log.push('use')
        return next(message)
      },
    })
    await start()
    emit('x', 1, { topic: 't' })
    await publishEvent('x', 2, { topic: 't' })
    await getProducer().send('u', 3)
    await until(
      () => log.length === 8,
      () => log,
    )
    expect(log.sort()).toEqual(['handle 1', 'handle 2', 'messageHandler 3', 'on 1', 'on 2', 'use', 'use', 'use'])
    expect(messaging.counters).toMatchObject({ handled: 5 })
    expect(() => on('y', { topic: 't' }, function late() {})).toThrow(
      expect.objectContaining({
        code: 'STARTED',
        message: expect.stringMatching(/^late \(on\(y\)\) at .*default\.test\.ts:\d+ was registered after start/),
      }),
    )
    expect(() => messageHandler({ topic: 'z' }, () => undefined)).toThrow(expect.objectContaining({ code: 'STARTED' }))
    await close()
    await expect(publishEvent('x', 2, { topic: 't' })).rejects.toMatchObject({ code: 'CLOSED' })
  })

  test('a handler that is no function is an error, and no decorator', async () => {
    const { messageHandler, on } = await freshCorebus()
    expect(() => messageHandler({ topic: 't' }, undefined as never)).toThrow(/messageHandler\(t\) needs a function as its second argument/)
    expect(() => on('x', {}, undefined as never)).toThrow(/on\(x\) needs a function as its third argument/)
  })

  test('so do decorated classes, but for those another instance lists', async () => {
    const { configureMessaging, consumer, createMessaging, recordMethod } = await freshCorebus()
    const log: string[] = []
    const consuming = (group: string) => {
      class Consumer {
        handle() {
          log.push(group)
        }
      }
      recordMethod([Consumer.prototype, 'handle', Object.getOwnPropertyDescriptor(Consumer.prototype, 'handle')], 'messageHandler', {
        topic: 't',
      })
      consumer(group)(Consumer)
      return Consumer
    }
    consuming('default')
    const other = createMessaging({ ...options(), handlers: [consuming('elsewhere')] })
    onTestFinished(() => other.close())
    const messaging = configureMessaging(options())
    await Promise.all([messaging.start(), other.start()])
    await messaging.getProducer().send('t', 1)
    await until(
      () => log.length === 1,
      () => log,
    )
    await other.getProducer().send('t', 1)
    await until(
      () => log.length === 2,
      () => log,
    )
    expect(log).toEqual(['default', 'elsewhere'])
  })
})

describe('@event without a topic', () => {
  test('is an error at start that names event and method, unless there is a default topic', async () => {
    const { configureMessaging, createMessaging, event, messageHandler } = await freshCorebus()
    class Users {
      register() {}
    }
    const descriptor = Object.getOwnPropertyDescriptor(Users.prototype, 'register') as never
    event('user.created')(Users.prototype, 'register', descriptor)
    messageHandler({ topic: 't' }, () => undefined)
    const messaging = configureMessaging(options())
    const error = {
      code: 'TOPIC_MISSING',
      message: expect.stringMatching(/^@event user\.created on Users\.register: no topic\. Give \{ topic \} there/),
    }
    expect(() => messaging.check()).toThrow(expect.objectContaining(error))
    await expect(messaging.start()).rejects.toMatchObject(error)
    // The methods are the default instance's: another one starts without it.
    const other = createMessaging(options())
    onTestFinished(() => other.close())
    other.handle({ topic: 't' }, () => undefined)
    await other.start()
    expect(() => createMessaging({ ...options(), defaultTopic: 'd' }).check()).not.toThrow()
  })
})

test.each<[string, object, MessagingOptions<never>, string | undefined, RegExp?]>([
  ['whose envelope only reads', { in: () => undefined }, {}, 'NO_OUT', /event order\.placed cannot be published to shop/],
  ['whose topic is only read', {}, { topology: { topics: { shop: { in: () => undefined } } } }, 'NO_OUT', /cannot be published to shop/],
  ['that the app only reads', {}, { in: () => undefined }, 'NO_OUT', /cannot be published to shop/],
  ['whose topic names another envelope', ownEvents, { topology: { topics: { shop: { in: () => undefined } } } }, 'ENVELOPE', /Name one/],
  ['that is written, where the app only reads', ownEvents, { in: () => undefined }, undefined],
])('@event with an event %s is looked at when it starts, and the error names both', async (_, envelope, more, code, words = /^/) => {
  const { configureMessaging, defineEvent, event } = await freshCorebus()
  class Orders {
    place() {}
  }
  const Placed = defineEvent('order.placed', z.object({}), { topic: 'shop', ...envelope })
  event(Placed)(Orders.prototype, 'place', Object.getOwnPropertyDescriptor(Orders.prototype, 'place') as never)
  const messaging = configureMessaging({ ...options(), ...more })
  const check = () => messaging.check()
  if (code === undefined) return expect(check).not.toThrow()
  expect(check).toThrow(expect.objectContaining({ code, message: expect.stringMatching(/^@event order\.placed on Orders\.place: /) }))
  expect(check).toThrow(words)
})

describe('two copies in one process', () => {
  test('of one version share the registry', async () => {
    const [one, two] = [await freshCorebus(), await freshCorebus()]
    expect(one.configureMessaging).not.toBe(two.configureMessaging)
    const messaging = one.configureMessaging(options())
    expect(two.defaultMessaging()).toBe(messaging)
  })

  test('of two versions are an error that prints both paths', async () => {
    globals[REGISTRY] = { version: '0.0.1', path: '/app/node_modules/old' }
    await expect(freshCorebus()).rejects.toMatchObject({
      code: 'TWO_VERSIONS',
      message: expect.stringMatching(
        /^two versions of @corebus\/core are loaded: 0\.0\.1 from \/app\/node_modules\/old and \d+\.\d+\.\d+ from .*packages\/core\. Make them one: npm ls @corebus\/core/,
      ),
    })
  })
})

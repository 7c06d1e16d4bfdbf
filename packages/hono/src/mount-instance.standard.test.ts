import { Hono } from 'hono'
import { describe, expect, test } from 'vitest'
import { action } from './action.ts'
import { freshMessaging } from './fixtures/broker.ts'
import { mount } from './mount.ts'
import { ViewSet } from './view-set.ts'

describe('the instance', () => {
  let made = 0
  class Counting extends ViewSet {
    readonly #n = ++made

    @action()
    n() {
      return this.#n
    }
  }
  class WithPort extends ViewSet {
    readonly #port: number

    constructor(port: number) {
      super()
      this.#port = port
    }

    @action()
    port() {
      return this.#port
    }
  }
  const making = {
    resolve: <T extends object>(type: new (...args: never[]) => T): T => new (type as unknown as new (port: number) => T)(8080),
  }
  const makingLater = { resolve: async <T extends object>(type: new (...args: never[]) => T): Promise<T> => making.resolve(type) }
  const port = async (app: Hono) => (await app.request('/x/port')).text()

  test('is one per class, however often it is mounted and asked', async () => {
    const messaging = freshMessaging()
    const app = new Hono()
    const before = made
    mount(app, '/a', Counting, { messaging })
    mount(app, '/b', Counting, { messaging })
    const answers = await Promise.all(['/a/n', '/b/n', '/a/n'].map(async (path) => (await app.request(path)).json()))
    expect([made, ...answers]).toEqual([before + 1, made, made, made])
  })

  test.each([
    ['the resolve of messaging', making, {}],
    ['an async resolve of messaging', makingLater, {}],
    ['the resolve of mount', {}, making],
    ['an async resolve of mount', {}, makingLater],
  ])('is made by %s', async (_, ofMessaging, ofMount) => {
    const app = new Hono()
    mount(app, '/x', WithPort, { messaging: freshMessaging(ofMessaging), ...ofMount })
    expect(await port(app)).toBe('8080')
  })

  test('whose constructor takes arguments is an error at mount without resolve', () => {
    const messaging = freshMessaging()
    expect(() => mount(new Hono(), '/x', WithPort, { messaging })).toThrow(
      /^WithPort has a constructor with arguments: give configureMessaging a resolve/,
    )
  })

  test('that resolve cannot make later fails every request, and is logged', async () => {
    const logged: unknown[] = []
    const messaging = freshMessaging()
    messaging.logger.level = 'error'
    messaging.logger.error = (...line: unknown[]) => logged.push(line[1])
    const app = new Hono()
    mount(app, '/x', WithPort, { messaging, resolve: () => Promise.reject(new Error('no port')) })
    app.onError((error, c) => c.text(error.message, 500))
    expect([await port(app), await port(app)]).toEqual(['no port', 'no port'])
    expect(logged).toEqual(['resolve could not make WithPort: its routes will answer with an error'])
  })

  test('that lacks the method is an error at mount', () => {
    const resolve = <T extends object>(): T => ({}) as T
    expect(() => mount(new Hono(), '/x', WithPort, { messaging: freshMessaging(), resolve })).toThrow(
      'WithPort.port is not a method of what resolve returned (Object)',
    )
  })
})

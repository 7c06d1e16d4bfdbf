import { type Class, CorebusError, createMessaging } from '@corebus/core'
import { type Context, Hono } from 'hono'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { action } from './action.ts'
import { freshMessaging } from './fixtures/broker.ts'
import { mount } from './mount.ts'
import { ViewSet, type ViewSetClass } from './view-set.ts'

class Things extends ViewSet {
  @action()
  list() {}

  @action({ detail: true, path: '' })
  one(c: Context) {
    return { id: c.req.param('id') }
  }
}

function mounted(type: ViewSetClass, prefix = '/things') {
  const messaging = freshMessaging()
  const app = new Hono()
  mount(app, prefix, type, { messaging })
  return app
}

describe('at mount', () => {
  const failure = (type: Class, app = new Hono()): string => {
    const messaging = createMessaging({ broker: 'memory', service: 'x', env: {} })
    try {
      mount(app, '/things', type as ViewSetClass, { messaging })
      return 'mounted'
    } catch (thrown) {
      if (!(thrown instanceof CorebusError)) throw thrown
      return `${thrown.code}: ${thrown.message}`
    }
  }

  test('two actions on one method and path are an error that names both', () => {
    class Twice extends ViewSet {
      @action({ detail: true, path: '' })
      one() {}

      @action({ path: ':user' })
      other() {}
    }
    expect(failure(Twice)).toBe(
      'ROUTE_TAKEN: Twice.one and Twice.other are both GET /things/:user: give one of them another path or method',
    )
  })

  test('so are two of different classes on one app, and nothing of the second is mounted', async () => {
    class Other extends ViewSet {
      @action({ path: 'a' })
      free() {}

      @action()
      list() {}
    }
    const app = mounted(Things)
    expect(failure(Other, app)).toBe(
      'ROUTE_TAKEN: Things.list and Other.list are both GET /things/list: give one of them another path or method',
    )
    expect(await (await app.request('/things/a')).json()).toEqual({ id: 'a' })
  })

  test('a method may be two routes', async () => {
    class Both extends ViewSet {
      @action({ path: 'a' })
      @action({ path: 'b', method: 'POST' })
      both() {
        return 'both'
      }
    }
    const app = mounted(Both)
    expect([(await app.request('/things/a')).status, (await app.request('/things/b', { method: 'POST' })).status]).toEqual([200, 201])
  })

  test('a class without actions is an error', () => {
    class Empty extends ViewSet {}
    expect(failure(Empty)).toBe('ACTIONS: Empty has no actions: give it a method with @action')
  })

  const wrongly = (options: object) => {
    class Wrong extends ViewSet {
      @action(options)
      list() {}
    }
    return failure(Wrong)
  }
  test.each([
    [{ method: 'POST', methods: ['POST'] }, 'method is short for methods, give one of them'],
    [{ methods: [] }, 'methods is empty, so it would never be called'],
    [{ method: 'HEAD' }, 'HEAD is no method here. There are: GET, POST, PUT, PATCH, DELETE, OPTIONS (HEAD is answered from GET)'],
    [{ body: z.object({}) }, 'a GET request has no body. Give methods, or a query schema'],
    [{ details: true }, 'details is not an option. Did you mean detail?'],
  ])('%j is an error', (options, message) => {
    expect(wrongly(options)).toBe(`OPTION: @action Wrong.list: ${message}`)
  })
})

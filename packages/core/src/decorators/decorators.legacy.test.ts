import { describe, expect, test } from 'vitest'
import { Reject } from '../errors.ts'
import type { HandlerContext } from '../handlers/handler.ts'
import { consumer, onEvent } from './consumer.ts'
import { event } from './event.ts'
import { consumerCases } from './fixtures/consumer-cases.ts'
import { eventCases } from './fixtures/event-cases.ts'
import { UserCreated, UserSeen } from './fixtures/events.ts'
import { frozen, NOTED, noted } from './fixtures/noted.ts'
import { misused, traced } from './fixtures/traced.ts'
import { wrongOptionCases } from './fixtures/wrong-options.ts'
import { messageHandler } from './message-handler.ts'

// The same file twice, but for the test below: one for each mode of decorators.

@consumer('orders', { topics: ['user-events'] })
class Orders {
  readonly log: unknown[] = []

  @onEvent(UserCreated)
  async welcome({ data }: UserCreated, { attempt, group }: HandlerContext) {
    this.log.push(['welcome', data, attempt, group])
  }

  @traced
  @onEvent('user.updated')
  above({ data }: { data: unknown }) {
    this.log.push(['above', data])
  }

  @onEvent('user.deleted')
  @traced
  below({ data }: { data: unknown }) {
    this.log.push(['below', data])
  }

  @messageHandler({ topic: 'user-events' })
  rest(message: unknown) {
    this.log.push(['rest', message])
  }
}

abstract class Base {
  readonly log: unknown[] = []

  @onEvent('a')
  one() {
    this.log.push('base one')
  }

  @onEvent('b')
  two() {
    this.log.push('base two')
  }
}

@consumer('inherits', { topics: ['t'] })
class Inherits extends Base {}

@consumer('overrides', { topics: ['t'] })
class Overrides extends Base {
  override one() {
    this.log.push('override one')
  }
}

@consumer('redecorates', { topics: ['t'] })
class Redecorates extends Base {
  @onEvent('c')
  override one() {
    this.log.push('redecorated one')
  }
}

const HIDDEN = Symbol('hidden')

@consumer('symbols', { topics: ['t'] })
class Symbols {
  readonly log: string[] = []

  @onEvent('c')
  [HIDDEN]() {
    this.log.push('by symbol')
    throw new Reject('once')
  }
}

function orphan(): unknown {
  class Orphan {
    @onEvent('x')
    lost() {}
  }
  return Orphan
}

const misplaced = {
  'a static method': () => {
    class Static {
      @onEvent('x')
      static method() {}
      notAlone() {}
    }
    return Static
  },
  'an accessor': () => {
    class Accessor {
      @misused(onEvent('x'))
      get method() {
        return 1
      }
    }
    return Accessor
  },
  'a field': () => {
    class Field {
      @misused(event('x'))
      method = () => 1
    }
    return Field
  },
}

const NAMED = { topic: 'user-events' }

/** What a test gives, or throws it. */
function give(given: unknown): never {
  if (given instanceof Error) throw given
  return given as never
}

class Users {
  @event(UserCreated)
  typed(given: unknown): { id: number; email: string } {
    return give(given)
  }

  @event(UserCreated)
  async typedAsync(given: unknown): Promise<{ id: number; email: string }> {
    return give(given)
  }

  @event(UserSeen)
  seen(given: unknown): { id: number; at: Date } {
    return give(given)
  }

  @event('user.named', { ...NAMED, keyField: 'id' })
  named(given: unknown) {
    return give(given)
  }

  @event('user.named', { ...NAMED, keyField: 'id', includeResult: false })
  async without(given: unknown) {
    return give(given)
  }

  @event('user.named', { ...NAMED, includeResult: false })
  empty(given: unknown) {
    return give(given)
  }

  @traced
  @event('user.named', NAMED)
  above(given: unknown) {
    return give(given)
  }

  @event('user.named', NAMED)
  @traced
  below(given: unknown) {
    return give(given)
  }

  @event('first', NAMED)
  @event('second', NAMED)
  twice(given: unknown) {
    return give(given)
  }
}

class Parent {
  @event('base', NAMED)
  async decorated() {
    return { from: 'base' }
  }

  @event('base', NAMED)
  async plain() {
    return { from: 'base' }
  }

  @event('base', NAMED)
  async recursive(again: unknown): Promise<object> {
    if (again) await this.recursive(false)
    return { again }
  }
}

class Child extends Parent {
  @event('derived', NAMED)
  override async decorated() {
    await super.decorated()
    return { from: 'derived' }
  }

  override async plain() {
    return super.plain()
  }
}

describe('@consumer, @onEvent and @messageHandler', () =>
  consumerCases({ Symbols, Orders, Inherits, Overrides, Redecorates, orphan, misplaced }))

describe('@event', () => {
  const [users, child] = [new Users(), new Child()]
  eventCases({
    typed: (given) => users.typed(given),
    typedAsync: (given) => users.typedAsync(given),
    seen: (given) => users.seen(given),
    named: (given) => users.named(given),
    without: (given) => users.without(given),
    empty: (given) => users.empty(given),
    above: (given) => users.above(given),
    below: (given) => users.below(given),
    twice: (given) => users.twice(given),
    overridden: () => child.decorated(),
    undecorated: () => child.plain(),
    recursive: (again) => child.recursive(again),
  })
})

test('what others wrote on a method, above or below @event, is on what the class has', () => {
  class Noted {
    @noted('above')
    @event('user.named', NAMED)
    @event('user.seen', NAMED)
    @noted('below')
    async method(first: unknown, second: unknown) {
      return { first, second }
    }
  }
  const { method } = Noted.prototype
  expect([{ ...method }, method.name, method.length]).toEqual([{ 'noted above': 'above', 'noted below': 'below' }, 'method', 2])
  expect(Object.getOwnPropertyDescriptor(method, NOTED)).toMatchObject({ value: ['below', 'above'], enumerable: false })
  expect(['above', 'below'].map((what) => Reflect.getOwnMetadata(`guards ${what}`, method))).toEqual([['above'], ['below']])
  class Frozen {
    @noted('above')
    @event('user.named', NAMED)
    @frozen
    async method() {
      return {}
    }
  }
  expect({ ...Frozen.prototype.method }).toEqual({ 'noted above': 'above' })
})

describe('options of a handler', () => {
  wrongOptionCases({
    consumer(options) {
      @consumer('g', options)
      class Wrong {
        @messageHandler({ topic: 't' })
        method() {}
      }
      return Wrong
    },
    onEvent(options) {
      @consumer('g', { topics: ['t'] })
      class Wrong {
        @onEvent('x', options)
        method() {}
      }
      return Wrong
    },
    messageHandler(options) {
      @consumer('g')
      class Wrong {
        @messageHandler(Object.assign({ topic: 't' }, options))
        method() {}
      }
      return Wrong
    },
  })
})

test('this file is compiled as its name says', () => {
  let given: unknown
  const probe = (...args: unknown[]): void => {
    given = typeof args[1]
  }
  class Probe {
    @probe
    method() {}
  }
  new Probe().method()
  expect(given).toBe('string')
})

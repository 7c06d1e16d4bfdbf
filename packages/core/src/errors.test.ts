import { expect, test } from 'vitest'
import { asError, Reject, withCauses } from './errors.ts'

class WithGetter extends Error {
  override get message(): string {
    throw new Error('not for you')
  }
}

class Stateful extends Reject {
  #reads = 0
  override get message(): string {
    if (this.#reads++ > 0) throw new Error('once only')
    return 'read once'
  }
}

const revoked = () => {
  const { proxy, revoke } = Proxy.revocable(new Error('x'), {})
  revoke()
  return proxy
}

test('an error is itself', () => {
  const error = new TypeError('no')
  expect(asError(error)).toBe(error)
  expect(asError(new Reject('x'))).toBeInstanceOf(Reject)
})

test.each([
  ['a text', 'no', 'no'],
  ['an object', { no: 1 }, 'thrown: {"no":1}'],
  ['nothing', undefined, 'thrown: undefined'],
  ['a symbol', Symbol('s'), 'thrown: Symbol(s)'],
  ['a BigInt', 7n, 'thrown: 7'],
  ['a proxy that was revoked', revoked(), 'thrown: a value that cannot be read'],
  [
    'a proxy that throws',
    new Proxy(new Error('x'), { get: () => expect.fail(), getPrototypeOf: () => expect.fail() }),
    'thrown: a value that cannot be read',
  ],
  [
    'an object that cannot be shown',
    {
      toJSON: () => {
        throw new Error('no')
      },
      toString: () => {
        throw new Error('no')
      },
    },
    'thrown: [object Object]',
  ],
  ['an error whose message throws', new WithGetter(), 'an error whose message cannot be read'],
  ['an error whose message is no text', Object.assign(new Error(), { message: { no: 1 } }), '{"no":1}'],
])('%s', (_, thrown, message) => {
  const error = asError(thrown)
  expect([error.message, error.message]).toEqual([message, message])
  expect(typeof error.stack).toBe('string')
})

test('what reads otherwise the second time is read once, and keeps its class and what else it has', () => {
  const error = asError(Object.assign(new Stateful(), { code: 'E1', status: 409 }))
  expect([error.message, error.message]).toEqual(['read once', 'read once'])
  expect(error).toBeInstanceOf(Reject)
  expect(error).toMatchObject({ name: 'Reject', code: 'E1', status: 409 })
})

test('a stack that cannot be made is said to be so', () => {
  const error = new Error('x')
  Object.defineProperty(error, 'stack', { get: () => expect.fail() })
  expect(asError(error).stack).toBe('an error whose stack cannot be read')
})

test.each<[string, Error, string]>([
  [
    'a failed fetch',
    new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED 127.0.0.1:1') }),
    'fetch failed: connect ECONNREFUSED 127.0.0.1:1',
  ],
  [
    'one that tried two addresses',
    new TypeError('fetch failed', { cause: new AggregateError([new Error('v6'), new Error('v4')]) }),
    'fetch failed: v6, v4',
  ],
  ['one that says its cause itself', new Error('no: because', { cause: new Error('because') }), 'no: because'],
  ['without a cause', new Error('plain', { cause: 'a text' }), 'plain'],
])('what %s says with its causes', (_, error, said) => {
  expect(withCauses(error)).toBe(said)
})

test('a cause that cannot be read adds nothing, and a circle ends', () => {
  const circle = new Error('a')
  circle.cause = new Error('b', { cause: circle })
  expect(withCauses(circle)).toBe('a: b')
  const hostile = Object.defineProperty(new Error('x'), 'cause', {
    get() {
      throw new Error('no')
    },
  })
  expect(withCauses(hostile)).toBe('x')
})

import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { changedByJson } from './plain.ts'

class Point {
  readonly x = 1
}
class Marker {}
class Secret {
  readonly #x = 1
  get x(): number {
    return this.#x
  }
}
class Money {
  toJSON(): string {
    return '1.00'
  }
}

describe('what JSON would change is found, with its place', () => {
  test.each<[string, unknown, string]>([
    ['NaN', { a: { b: [1, Number.NaN] } }, 'a.b[1]: NaN becomes null: use null, or leave it out'],
    ['Infinity', [Number.NEGATIVE_INFINITY], '[0]: -Infinity becomes null: use null, or leave it out'],
    ['NaN itself', Number.NaN, 'the payload: NaN becomes null: use null, or leave it out'],
    ['a Map', { m: new Map([[1, 2]]) }, 'm: a Map becomes {}'],
    ['a Map of another realm', { m: runInNewContext('new Map()') }, 'm: a Map becomes {}'],
    ['a Set', new Set([1]), 'the payload: a Set becomes {}'],
    ['an Error, also with fields of its own', { e: Object.assign(new TypeError('x'), { code: 'E' }) }, 'e: an Error becomes {}'],
    ['a RegExp', [/x/], '[0]: a RegExp becomes {}'],
    ['a promise', { p: Promise.resolve(1) }, 'p: a promise becomes {}'],
    ['what hides its content', { q: new URLSearchParams('a=1') && new Headers({ a: '1' }) }, 'q: Headers becomes {}'],
    ['bytes', { b: new Uint8Array(2) }, 'b: bytes become an object of numbers'],
    ['a Buffer', { b: Buffer.from('x') }, 'b: bytes become an object of numbers'],
    ['undefined in an array', { a: [1, undefined] }, 'a[1]: undefined in an array becomes null'],
    // biome-ignore lint/suspicious/noSparseArray: that is the case
    ['a hole in an array', { a: [1, , 2] }, 'a[1]: undefined in an array becomes null'],
    ['a function', { f: () => 1 }, 'f: a function cannot leave the process'],
    ['a symbol', { s: Symbol('s') }, 's: a symbol cannot leave the process'],
    ['an invalid Date', { at: new Date('nonsense') }, 'at: an invalid Date becomes null'],
  ])('%s', (_, value, found) => {
    expect(changedByJson(value, 'kept')).toContain(found)
  })

  test.each<[string, unknown, string]>([
    ['a Date', { at: new Date(0) }, 'at: a Date becomes what its toJSON writes, and does not come back as one: send its toISOString()'],
    ['an object with toJSON', [new Money()], '[0]: a Money becomes what its toJSON writes'],
  ])('%s, where a schema promised it, and is kept where nothing was promised', (_, value, found) => {
    expect(changedByJson(value, 'refused')).toContain(found)
    expect(changedByJson(value, 'kept')).toBeUndefined()
  })
})

test.each<[string, unknown]>([
  ['plain data', { a: [1, 'two', true, null, { b: -0.5 }], c: undefined }],
  ['an object without a prototype', Object.assign(Object.create(null), { a: 1 })],
  ['plain data of another realm', runInNewContext('({ a: [1, { b: 2 }] })')],
  ['an instance with fields', { p: new Point() }],
  ['an instance without any', { m: new Marker() }],
  ['an instance whose fields are private', { s: new Secret() }],
  ['fields that are inherited', Object.create({ nan: Number.NaN })],
])('%s is carried as it is', (_, value) => {
  expect(changedByJson(value, 'refused')).toBeUndefined()
})

test('what is too deep to be looked at is left to JSON.stringify, which says so', () => {
  const circle: { self?: unknown } = {}
  circle.self = circle
  expect(changedByJson(circle, 'kept')).toBeUndefined()
})

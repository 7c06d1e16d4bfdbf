import { expect, test } from 'vitest'
import { letterOf } from './copy.ts'

const COPY = { key: Buffer.from('k'), value: Buffer.from('{}'), headers: { 'corebus-id': 'order-7' } }
const BURIAL = { topic: 't', group: 'g', at: 5 }
const ORIGIN = { topic: 't', partition: 2, offset: 7, at: 3 }

const keyOf = (...[origin, burial = BURIAL]: [origin: Parameters<typeof letterOf>[2], burial?: typeof BURIAL]) =>
  String(letterOf(COPY, burial, origin).key)

test('a letter is known by the place of its original: stored again it is the same, and what shares its id is another', () => {
  expect(keyOf(ORIGIN)).toBe(keyOf({ ...ORIGIN }, { ...BURIAL, at: 9 }))
  const others = [{ partition: 1 }, { offset: 8 }, { at: 4 }].map((other) => keyOf({ ...ORIGIN, ...other }))
  expect(new Set([keyOf(ORIGIN), keyOf(ORIGIN, { ...BURIAL, group: 'h' }), ...others]).size).toBe(5)
})

test('a message that was handed back and dies again has another letter: deleting the one it left does not delete it', () => {
  expect(keyOf({ ...ORIGIN, life: 1 })).not.toBe(keyOf(ORIGIN))
  expect(keyOf({ ...ORIGIN, life: 2 })).not.toBe(keyOf({ ...ORIGIN, life: 1 }))
})

import { expect, test } from 'vitest'
import { type Odd, oddMessages } from './odd.ts'
import { described, shrunk } from './shrink.ts'

const all = oddMessages({ seed: 1, from: 0, count: 64 })
const guilty: Odd = {
  n: 40,
  headers: [
    ['a', 1],
    ['bad', new Uint8Array([1])],
    ['c', null],
  ],
  body: Buffer.from('#40'),
}
const messages = all.map((one) => (one.n === guilty.n ? guilty : one))
const isRed = async (some: readonly Odd[]) => some.some(({ headers }) => headers.some(([name]) => name === 'bad'))

test('a failing run comes down to its message, and to the header that it takes', async () => {
  const small = await shrunk(messages, { named: [], isRed, tries: 100 })
  expect(small).toEqual([{ ...guilty, headers: [['bad', new Uint8Array([1])]] }])
  expect(described(small)).toBe('{"n":40,"headers":[["bad",{"bytes":"AQ=="}]],"body":"#40"}')
})

test('what the findings name is tried first', async () => {
  let runs = 0
  const counted = (some: readonly Odd[]) => {
    runs++
    return isRed(some)
  }
  const small = await shrunk(messages, { named: [guilty], isRed: counted, tries: 100 })
  expect([small.length, runs]).toEqual([1, 4])
})

test('what is red with all of them only stays as it is, and so does what takes too many runs', async () => {
  expect(await shrunk(messages, { named: [guilty], isRed: async (some) => some.length === messages.length, tries: 10 })).toHaveLength(64)
  expect(await shrunk(messages, { named: [], isRed, tries: 2 })).toHaveLength(32)
})

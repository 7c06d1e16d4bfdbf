import { expect, test } from 'vitest'
import { advance, copyOf, decodeSpan, encodeDone, encodeSuspects, handBack, isDone, markDone, type Span, setOut, takeOver } from './span.ts'

const span = (lo: number, hi: number): Span => decodeSpan(lo, hi, null, null)
const stored = (s: Span): Span => decodeSpan(s.lo, s.hi, encodeDone(s), encodeSuspects(s))
const suspects = (s: Span) => Object.fromEntries([...s.suspects].map(([n, { count, out }]) => [n, `${count}${out ? ' out' : ''}`]))

function done(s: Span, ...numbers: number[]): Span {
  for (const n of numbers) markDone(s, n)
  advance(s)
  return s
}

test('moves over what is settled without a gap, whatever the order', () => {
  const s = span(3, 40)
  done(s, 5, 4)
  expect(s.lo).toBe(3)
  done(s, 3)
  expect(s.lo).toBe(6)
  done(s, ...Array.from({ length: 30 }, (_, i) => 39 - i))
  expect(s.lo).toBe(6)
  done(s, 6, 7, 8, 9)
  expect([s.lo, s.hi, encodeDone(s)]).toEqual([40, 40, null])
})

test('knows the same after every order of settling, also when stored and read back in between', () => {
  let seed = 7
  const random = () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
    return seed / 2 ** 31
  }
  for (let round = 0; round < 40; round++) {
    const lo = Math.floor(random() * 20) + 2 ** 33
    let s = span(lo, lo + 1 + Math.floor(random() * 60))
    const left = new Set(Array.from({ length: s.hi - s.lo }, (_, i) => s.lo + i))
    const { hi } = s
    while (left.size > 0) {
      const n = [...left][Math.floor(random() * left.size)] as number
      left.delete(n)
      done(s, n)
      if (random() < 0.3) s = stored(s)
      for (let m = lo; m < hi; m++) expect(isDone(s, m)).toBe(!left.has(m))
      expect(s.lo).toBe(left.size === 0 ? hi : Math.min(...left))
    }
  }
})

test('a death counts what was out, once, and what nobody handed out again keeps its count', () => {
  let s = done(span(0, 6), 1)
  takeOver(s)
  expect(suspects(s)).toEqual({ 0: '1', 2: '1', 3: '1', 4: '1', 5: '1' })
  setOut(s, 0)
  s = stored(s)
  takeOver(s)
  expect(suspects(s)).toEqual({ 0: '2', 2: '1', 3: '1', 4: '1', 5: '1' })
  done(s, 0)
  expect([s.lo, suspects(s)]).toEqual([2, { 2: '1', 3: '1', 4: '1', 5: '1' }])
})

test('handing back counts nothing, keeps the counts there are, and unclaims the end', () => {
  const s = done(span(0, 8), 1)
  takeOver(s)
  done(s, 4, 5)
  setOut(s, 2)
  s.hi = 10
  handBack(s)
  expect([s.lo, s.hi]).toEqual([0, 8])
  expect(suspects(s)).toEqual({ 0: '1', 2: '1', 3: '1', 6: '1', 7: '1' })
})

test('what is handed back in the middle is handed out again uncounted', () => {
  const s = done(span(0, 8), 7, 3)
  handBack(s)
  expect([s.hi, suspects(s)]).toEqual([8, { 0: '0', 1: '0', 2: '0', 4: '0', 5: '0', 6: '0' }])
  setOut(s, 0)
  expect(suspects(s)).not.toHaveProperty('0')
  takeOver(s)
  expect(suspects(s)).toMatchObject({ 0: '1', 1: '0' })
})

test('a copy is not changed with the original', () => {
  const s = done(span(0, 20), 9)
  takeOver(s)
  const copy = copyOf(s)
  done(s, 0, 1, 2, 3, 10)
  expect([copy.lo, isDone(copy, 10), copy.suspects.size]).toEqual([0, false, 19])
})

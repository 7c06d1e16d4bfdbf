import { expect, test } from 'vitest'
import { conditionOf, type Figures } from './fail-if.ts'

const figures: Figures = { ready: 10, 'in-flight': 2, delayed: 0, dead: 11, members: 3, rate: 12.345, failed: 5.5, busy: 100, oldest: 61 }

test.each([
  ['dead>10', 'dead is 11'],
  ['dead>11', undefined],
  ['dead >= 11', 'dead is 11'],
  ['failed>5%', 'failed is 5.5%'],
  ['failed > 5', 'failed is 5.5%'],
  ['busy=100', 'busy is 100%'],
  ['members<3', undefined],
  ['members<=3', 'members is 3'],
  ['rate<12.5', 'rate is 12.35'],
  ['oldest>60s', 'oldest is 61s'],
  ['in-flight>1', 'in-flight is 2'],
])('%s', (text, says) => {
  expect(conditionOf(text)(figures)).toBe(says)
})

test('what is not known is no answer', () => {
  expect(conditionOf('failed>5%')({ dead: 1 })).toBe('unknown')
})

test.each([
  ['daed>2', /Did you mean dead\?/],
  ['', /Write it as in dead>10 or failed>5%/],
  ['dead', /Write it as in/],
  ['dead>ten', /Write it as in/],
  ['dead>5%', /dead is a number, not in %/],
  ['oldest>5%', /oldest is in s, not in %/],
  ['constructor>1', /it begins with one of ready, in-flight/],
])('%s is no condition', (text, words) => {
  expect(() => conditionOf(text)).toThrow(words)
})

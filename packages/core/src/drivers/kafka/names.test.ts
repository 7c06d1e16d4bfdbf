import { expect, test } from 'vitest'
import { namesWith } from './names.ts'

const names = namesWith('')

test('topic and group are told apart, wherever the dots are', () => {
  expect(names.again('a.b', 'c')).not.toBe(names.again('a', 'b.c'))
  expect(names.again('orders', 'billing')).toBe('corebus.again.orders.billing')
  expect(names.delay('billing', 5_000)).toBe('corebus.delay.billing.5000')
})

test('what is too long for the broker is cut and stays unlike the others', () => {
  const [a, b] = [names.again('x'.repeat(180), 'y'.repeat(180)), names.again('x'.repeat(180), `${'y'.repeat(179)}z`)]
  expect(a.length).toBeLessThanOrEqual(249)
  expect(a).not.toBe(b)
})

test('a prefix stands before everything', () => {
  const prefixed = namesWith('dev-')
  expect([prefixed.topic('t'), prefixed.group('g'), prefixed.registry]).toEqual(['dev-t', 'dev-g', 'dev-corebus.topology'])
  expect([prefixed.isOurs('dev-corebus.clock'), prefixed.isOurs('dev-t')]).toEqual([true, false])
})

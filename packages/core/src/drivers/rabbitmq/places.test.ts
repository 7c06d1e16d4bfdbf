import { expect, test } from 'vitest'
import { placeOf } from './places.ts'

const at = { topic: 'orders', group: 'billing', service: 'shop', prefix: '' }

// The registry is a stream that nothing is taken from, and tells entries apart by their text: another order would write all of them anew.
test('what is written of a place keeps its text from version to version', () => {
  expect(JSON.stringify(placeOf({}, at))).toBe('{"name":"orders.billing.dlq","shared":false}')
  expect(JSON.stringify(placeOf({ ttlMs: 1_000 }, at))).toBe('{"name":"orders.billing.dlq","shared":false,"ttlMs":1000}')
  expect(JSON.stringify(placeOf({ name: 'all.dlq', ttlMs: 1_000 }, at))).toBe('{"name":"all.dlq","shared":true,"ttlMs":1000}')
  expect(JSON.stringify(placeOf({}, { ...at, group: 'eu.mail' }))).toBe('{"name":"orders:eu.mail.dlq","shared":false}')
})

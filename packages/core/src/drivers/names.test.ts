import { expect, test } from 'vitest'
import { resolvePlace } from './names.ts'

const at = { topic: 'orders', group: 'billing', service: 'shop', prefix: '' }
const place = ({ name, ...others }: Partial<typeof at> & { name?: string } = {}) =>
  resolvePlace(name === undefined ? {} : { name }, { ...at, ...others }).name

test('dead letters lie in a place of their own per topic and group', () => {
  expect(place()).toBe('orders.billing.dlq')
})

test('a template may name topic, group and service, in any order and more than once', () => {
  expect(place({ name: 'dead.{service}.{group}.{group}/{topic}' })).toBe('dead.shop.billing.billing/orders')
})

test('a fixed name and the prefix are taken as they are', () => {
  expect(place({ prefix: 'test-', name: 'graveyard' })).toBe('test-graveyard')
})

test('a value that looks like a placeholder is not resolved again', () => {
  expect(place({ topic: '{group}' })).toBe('{group}.billing.dlq')
})

test('an unknown placeholder and an empty name are errors that say what is allowed', () => {
  expect(() => place({ name: '{tpic}.dlq' })).toThrow(/has \{tpic\}; it may hold \{topic\}, \{group\} and \{service\}/)
  expect(() => place({ name: '' })).toThrow(/is empty/)
})

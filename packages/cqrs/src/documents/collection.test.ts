import { expect, test } from 'vitest'
import { collection } from './collection.ts'

test.each([
  ['an index of a field that is not declared', { fields: { id: 'number' }, indexes: ['name'] }, /name, which is not declared/],
  ['fields that are one column in SQLite', { fields: { userId: 'number', userid: 'text' } }, /userId and userid differ in case alone/],
] as const)('%s is refused', (_, options, message) => {
  expect(() => collection(options)).toThrow(expect.objectContaining({ code: 'PROJECTION', message: expect.stringMatching(message) }))
})

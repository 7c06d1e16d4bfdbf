import { expect, test } from 'vitest'
import { derivedId, newId } from './id.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

test('a new id is a UUIDv7 with its time in front, and never the same twice', () => {
  const now = Date.UTC(2026, 1, 1, 12)
  const ids = Array.from({ length: 10_000 }, () => newId(now))
  expect(new Set(ids).size).toBe(ids.length)
  expect(new Set(ids.map((id) => UUID.exec(id)?.[1]))).toEqual(new Set(['7']))
  expect(new Set(ids.map((id) => Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)))).toEqual(new Set([now]))
  expect(newId(now) < newId(now + 1)).toBe(true)
})

test('a derived id is the same for the same parts, and another for others', () => {
  const id = derivedId('m1', 'g', 0)
  expect(UUID.exec(id)?.[1]).toBe('8')
  expect(derivedId('m1', 'g', 0)).toBe(id)
  expect(new Set([id, derivedId('m1', 'g', 1), derivedId('m1g', '', 0), derivedId('m1', 'g0')]).size).toBe(4)
})

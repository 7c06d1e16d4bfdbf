import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { RenewedMap } from './renewed-map.ts'

test('it is a Map, also after it has taken another table many times', () => {
  const map = new RenewedMap<number, string>()
  const model = new Map<number, string>()
  for (let n = 0; n < 20_000; n++) {
    map.set(n, `v${n}`)
    model.set(n, `v${n}`)
    const gone = n - (n % 700)
    expect(map.delete(gone)).toBe(model.delete(gone))
  }
  expect(map.size).toBe(model.size)
  expect([...map]).toEqual([...model])
  expect([...map.keys()]).toEqual([...model.keys()])
  expect([...map.values()]).toEqual([...model.values()])
  expect([map.has(19_999), map.get(19_999), map.has(0), map.get(0)]).toEqual([true, 'v19999', false, undefined])
  map.clear()
  expect([map.size, [...map]]).toEqual([0, []])
})

const PASSING = fileURLToPath(new URL('../../test/fixtures/passing-through.ts', import.meta.url))

test.each(['list', 'renewed map'])('what has passed through a %s does not fill the heap', (kind) => {
  const said = execFileSync(process.execPath, ['--expose-gc', '--max-semi-space-size=4', PASSING, kind], { encoding: 'utf8' })
  const { passed, most } = JSON.parse(said) as Record<'passed' | 'most', number>
  expect(passed).toBeGreaterThan(200)
  expect(most).toBeLessThan(40)
})

import { expect, test } from 'vitest'
import { systemClock } from '../../clock.ts'
import { Letters, type LettersOptions } from './dead-letters.ts'
import type { Argument } from './link.ts'

/** A stream to which entries are added for as long as it is read. */
function growing() {
  let last = 150
  let reads = 0
  const numbered = (n: number) => [`${n}-0`, []]
  const numberIn = (id: Argument | undefined, otherwise: number) => Number(/\d+/.exec(String(id))?.[0] ?? otherwise)
  return {
    async send(_key: string, [command, , start, end]: readonly Argument[]) {
      if (command === 'XREVRANGE') return [numbered(last)]
      expect(++reads).toBeLessThan(10)
      last += 100
      const first = start === '-' ? 1 : numberIn(start, 0) + 1
      const to = Math.min(numberIn(end, last), first + 99)
      return Array.from({ length: Math.max(0, to - first + 1) }, (_, n) => numbered(first + n))
    },
    insist: <T>(ask: () => Promise<T>) => ask(),
  }
}

test('a page without a limit has an end while letters keep coming: those that are there when it begins', async () => {
  const options = {
    nodes: growing(),
    registry: { declared: async () => ({ stream: 'stream', places: [{ topic: 't', group: 'g', name: 'p' }] }), keyOf: () => 'dead' },
    clock: systemClock,
    where: 'here',
    signal: new AbortController().signal,
  } as unknown as LettersOptions
  const { letters, next } = await new Letters(options).page({ topic: 't' })
  expect([letters.length, next]).toEqual([150, undefined])
})

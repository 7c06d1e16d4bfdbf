import assert from 'node:assert/strict'
import { type ConformanceCase, casesOf } from './case.ts'
import { until } from './wait.ts'

const stressing = casesOf('Stress')

const MEASURE_AT = [100_000, 200_000, 500_000]
const LIMIT_MS = 500_000

export const heapCases: readonly ConformanceCase[] = [
  stressing(
    '500,000 messages: the heap after garbage collection at 100,000 and at 500,000 differ by under 10 %',
    async (room) => {
      const child = room.child('heap', { topic: room.topic(), measureAt: MEASURE_AT })
      let over = false
      void child.exited.then(() => {
        over = true
      })
      await until(
        () => over,
        () => [child.said.at(-1), child.trouble()],
        LIMIT_MS,
      )
      const heaps = child.heard('heap')
      assert.deepEqual(
        heaps.map(({ handled }) => handled),
        MEASURE_AT,
        child.trouble(),
      )
      // Code that is no longer used may go late and make the first heap the largest: the last is held against the smaller of the others.
      const [first = 0, second = 0, last = 0] = heaps.map(({ bytes }) => bytes)
      const growth = last / Math.min(first, second) - 1
      assert.ok(growth < 0.1, `${first}, ${second}, ${last} bytes: ${(100 * growth).toFixed(1)} % more`)
    },
    { soak: true, alone: true, timeoutMs: LIMIT_MS + 20_000 },
  ),
]

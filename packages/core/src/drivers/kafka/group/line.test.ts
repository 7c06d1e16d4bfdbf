import { describe, expect, test } from 'vitest'
import { recordIn } from '../fixtures/records.ts'
import { Line, type Receipt } from './line.ts'
import type { Mark } from './position.ts'

const records = (...offsets: number[]) => offsets.map((offset) => recordIn(offset))
const lineAt = (base: number, marks: readonly Mark[] = []) => new Line({ of: 't', topic: 't', partition: 0, kind: 'topic', base, marks })

function takeAll(line: Line): readonly Receipt[] {
  const taken: Receipt[] = []
  for (let one = line.take(1_000); one; one = line.take(1_000)) taken.push(one)
  return taken
}

describe('one partition in the hands of a member', () => {
  test('commits the lowest that is not settled, and beside it what is', () => {
    const line = lineAt(5)
    line.add(records(5, 6, 7, 8), 9)
    const [five, six, seven] = takeAll(line)
    line.done(six as Receipt)
    line.done(seven as Receipt)
    expect(line.commit()).toEqual({ offset: '5', metadata: 'c1:a2Da' })
    line.done(five as Receipt)
    expect(line.commit()).toEqual({ offset: '8', metadata: 'c1:a' })
  })

  test('never commits past a gap by counting: markers and compaction leave some out', () => {
    const line = lineAt(0)
    line.add(records(3, 7), 12)
    const [three, seven] = takeAll(line)
    line.done(seven as Receipt)
    expect(line.commit().offset).toBe('3')
    line.done(three as Receipt)
    expect(line.commit()).toEqual({ offset: '12', metadata: '' })
  })

  test('crosses a gap of fifty million when all before it is done, and reads it then: nothing is made of it', () => {
    const line = lineAt(0)
    const before = process.memoryUsage().heapUsed
    line.add(records(0, 1, 50_000_000), 50_000_001)
    const [zero, one, none] = takeAll(line)
    expect([none, line.atGap, line.next]).toEqual([undefined, true, 2])
    line.done(zero as Receipt)
    expect([line.atGap, line.crossesGap(), line.commit().offset]).toEqual([true, false, '1'])
    line.done(one as Receipt)
    expect([line.crossesGap(), line.crossesGap(), line.atGap]).toEqual([true, false, false])
    line.add(records(50_000_000), 50_000_001)
    const [last] = takeAll(line)
    expect(last?.record.offset).toBe(50_000_000)
    line.done(last as Receipt)
    expect(line.commit().offset).toBe('50000001')
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(20_000_000)
  })

  test('goes on where another member left it: what was settled is not handed out, what was handed out knows', () => {
    const line = lineAt(10, [1, 'done', 2])
    line.add(records(10, 11, 12, 13), 14)
    const taken = takeAll(line)
    expect(taken.map((one) => [one.record.offset, one.delivery?.unsettledBefore])).toEqual([
      [10, 1],
      [12, 2],
      [13, 0],
    ])
    expect(line.commit()).toEqual({ offset: '10', metadata: 'c1:bDca' })
  })

  test('does not forget what it was told of that is not read yet', () => {
    const line = lineAt(10, [1, 'done', 2])
    line.add(records(10), 11)
    expect(line.commit()).toEqual({ offset: '10', metadata: 'c1:aDb' })
  })

  test('handed back, a start was none', () => {
    const line = lineAt(0, [1])
    line.add(records(0, 1), 2)
    expect(takeAll(line)).toHaveLength(2)
    expect(line.commit().metadata).toBe('c1:ba')
    line.handBack()
    expect(line.commit()).toEqual({ offset: '0', metadata: 'c1:a' })
    expect(line.out).toBe(0)
  })

  test('hands out nothing further than the span past the oldest unsettled one', () => {
    const line = lineAt(0)
    line.add(records(0, 1, 2, 3), 4)
    const first = line.take(2)
    expect(line.take(2)?.record.offset).toBe(1)
    expect(line.take(2)).toBeUndefined()
    line.done(first as Receipt)
    expect(line.take(2)?.record.offset).toBe(2)
  })

  test('lost, it says what was out, and settles nothing any more', () => {
    const line = lineAt(0)
    line.add(records(0, 1, 2), 3)
    const [zero, one] = [line.take(9), line.take(9)]
    line.done(zero as Receipt)
    expect(line.lose()).toEqual([one])
    line.done(one as Receipt)
    expect([line.out, (one as Receipt).state, line.gone]).toEqual([0, 'lost', true])
  })

  test('stops when what has to be said beside the offset becomes too long for the broker, and goes on after', () => {
    const line = lineAt(0)
    line.add(records(...Array.from({ length: 6_000 }, (_, offset) => offset)), 6_000)
    const out: Receipt[] = []
    for (let i = 0; i < 4_000; i++) {
      const receipt = line.take(100_000)
      if (!receipt) break
      out.push(receipt)
      if (i % 2 === 1) line.done(receipt)
      if (i % 500 === 0) expect(line.commit().metadata.length).toBeLessThan(3_600)
    }
    line.commit()
    expect(line.take(100_000)).toBeUndefined()
    for (const receipt of out) line.done(receipt)
    line.commit()
    expect(line.take(100_000)).toBeDefined()
  })
})

import { describe, expect, test } from 'vitest'
import { decodeNote, encodeNote, type Mark } from './position.ts'

describe('the note beside a committed offset', () => {
  const cases: readonly (readonly Mark[])[] = [
    [],
    [1],
    ['done'],
    [1, 1, 1, 'done', 2, 2, 0, 'done'],
    [0, 0, 'done'],
    Array(300).fill('done'),
    [26],
  ]

  test.each(cases.map((marks) => ({ marks })))('says what it was told: $marks', ({ marks }) => {
    expect(decodeNote(encodeNote(marks))).toEqual(marks)
  })

  test('leaves out what was never handed out at its end, which is no news', () => {
    expect(encodeNote([0, 0, 0])).toBe('')
    expect(decodeNote(encodeNote([1, 0, 0]))).toEqual([1])
  })

  test('is short where there is a run of the same, however long', () => {
    expect(encodeNote([1, ...Array<Mark>(40_000).fill('done')])).toBe('c1:a40000D')
  })

  test('counts up to 26', () => {
    expect(decodeNote(encodeNote([1_000]))).toEqual([26])
  })

  test("somebody else's metadata is not taken for ours", () => {
    expect(decodeNote('')).toEqual([])
    expect(decodeNote('{"n":1}')).toEqual([])
  })
})

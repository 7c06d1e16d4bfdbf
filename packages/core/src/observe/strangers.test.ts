import { expect, test } from 'vitest'
import { Strangers } from './strangers.ts'

function counting() {
  const said: object[] = []
  let now = 0
  const strangers = new Strangers({ warn: ((fields: object) => void said.push(fields)) as never }, () => now)
  const pass = (ms: number) => {
    now += ms
  }
  return { said, count: (topic: string, group = 'g') => strangers.count(topic, group), pass }
}

test('ten that come more slowly than within a minute are no reason for a line', () => {
  const { said, count, pass } = counting()
  for (let n = 0; n < 30; n++) {
    count('t')
    pass(7_000)
  }
  expect(said).toEqual([])
  for (let n = 0; n < 9; n++) count('t')
  expect(said).toEqual([{ topic: 't', group: 'g' }])
})

test('each topic of each group is counted by itself', () => {
  const { said, count } = counting()
  for (let n = 0; n < 9; n++) for (const topic of ['a', 'b']) for (const group of ['g', 'h']) count(topic, group)
  expect(said).toEqual([])
  count('b', 'h')
  expect(said).toEqual([{ topic: 'b', group: 'h' }])
})

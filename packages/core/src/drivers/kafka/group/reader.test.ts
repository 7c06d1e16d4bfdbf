import { expect, test } from 'vitest'
import { systemClock } from '../../../clock.ts'
import type { Delivery } from '../../../driver.ts'
import { recordIn } from '../fixtures/records.ts'
import { Line } from './line.ts'
import { Reader } from './reader.ts'

function aReader() {
  const given: Delivery[] = []
  const answers: (() => void)[] = []
  let isFresh = true
  const reader = new Reader({
    limit: 10,
    clock: systemClock,
    commits: { whenStored: (_, stored) => void answers.push(stored) },
    standing: {
      get isFresh() {
        return isFresh
      },
    },
    onDeliveries: (deliveries) => given.push(...deliveries),
    onLost: () => {},
    onRoom: () => {},
  })
  const line = new Line({ of: 't', topic: 't', partition: 0, kind: 'topic', base: 0, marks: [] })
  reader.add(line)
  line.add([recordIn(0)], 1)
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  return {
    reader,
    line,
    given,
    fresh(is: boolean) {
      isFresh = is
    },
    async answer() {
      for (const resolve of answers.splice(0)) resolve()
      await turn()
    },
  }
}

test('what is committed as handed out is handed out when that is answered', async () => {
  const { reader, given, answer } = aReader()
  reader.pump()
  expect(given).toEqual([])
  await answer()
  expect(given).toHaveLength(1)
})

test('an answer that lay here while the process was frozen hands out nothing, until the group has heard of it again', async () => {
  const { reader, given, answer, fresh } = aReader()
  reader.pump()
  fresh(false)
  await answer()
  reader.pump()
  expect(given).toEqual([])
  fresh(true)
  reader.pump()
  await answer()
  expect(given).toHaveLength(1)
})

test('what the group gave to somebody else meanwhile is not handed out', async () => {
  const { reader, line, given, answer, fresh } = aReader()
  reader.pump()
  fresh(false)
  await answer()
  reader.remove(line)
  fresh(true)
  reader.pump()
  await answer()
  expect(given).toEqual([])
})

import { expect, test } from 'vitest'
import type { Delivery } from '../../driver.ts'
import type { Copies } from './copies.ts'
import { recordIn } from './fixtures/records.ts'
import type { Commits } from './group/commits.ts'
import { Line } from './group/line.ts'
import { settle } from './settle.ts'

function aLine() {
  const line = new Line({ of: 't', topic: 't', partition: 0, kind: 'topic', base: 0, marks: [] })
  line.add([recordIn(0), recordIn(1)], 2)
  const [one, two] = [line.take(9)?.delivery, line.take(9)?.delivery] as [Delivery, Delivery]
  const lost: Delivery[] = []
  /** `onStore` stands for what happens while the broker is told. */
  const acknowledge = (delivery: Delivery, onStore = () => {}) =>
    settle([{ kind: 'ack', delivery }], {
      group: 'g',
      copies: {} as Copies, // acknowledged only
      commits: { store: async () => onStore() } as unknown as Commits,
      reader: { again: () => new Set(), has: () => true, settled: () => {}, comeAgain: () => {} },
      topology: { keepsNothing: () => false },
      onLost: (deliveries) => lost.push(...deliveries),
    })
  return { line, one, two, lost, acknowledge }
}

test('what was acknowledged and stored is neither lost nor told again', async () => {
  const { line, one, lost, acknowledge } = aLine()
  await acknowledge(one)
  expect([lost, line.commit().offset]).toEqual([[], '1'])
})

test('what a closing driver has given back is not settled any more: it is told as lost, since it comes again', async () => {
  const { line, one, two, lost, acknowledge } = aLine()
  await acknowledge(one)
  line.handBack()
  await acknowledge(two)
  expect([lost, line.commit().offset]).toEqual([[two], '1'])
})

test('what others have taken before the broker was told is lost', async () => {
  const { line, one, lost, acknowledge } = aLine()
  await acknowledge(one, () => line.lose())
  expect(lost).toEqual([one])
})

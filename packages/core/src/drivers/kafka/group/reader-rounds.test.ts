import { expect, test } from 'vitest'
import { systemClock } from '../../../clock.ts'
import type { Delivery } from '../../../driver.ts'
import { recordIn } from '../fixtures/records.ts'
import { Commits } from './commits.ts'
import { Line } from './line.ts'
import { encodeNote, type Mark } from './position.ts'
import { Reader } from './reader.ts'

const GROUP = 'g'

/** A reader of one partition with so many records, and a broker that answers a commit when it is told to. */
function reading(records: number, limit: number, marks: readonly Mark[] = []) {
  const line = new Line({ of: 't', topic: 't', partition: 0, kind: 'topic', base: 0, marks })
  const asked: { metadata: string; answer: () => void }[] = []
  let heard = Promise.withResolvers<void>()
  const commits = new Commits({
    group: GROUP,
    clock: systemClock,
    onForbidden: () => {},
    standing: { identity: { memberId: 'm', groupGenerationId: 1, keptGenerationId: 1 } },
    client: {
      commit: (_group, _member, offsets) =>
        new Promise((resolve) => {
          asked.push({ metadata: offsets[0]?.metadata ?? '', answer: resolve })
          heard.resolve()
        }),
    },
  })
  const given: Delivery[][] = []
  const reader = new Reader({
    limit,
    clock: systemClock,
    commits,
    standing: { isFresh: true },
    onDeliveries: (deliveries) => given.push([...deliveries]),
    onLost: () => {},
    onRoom: () => {},
  })
  reader.add(line)
  line.add(
    Array.from({ length: records }, (_, offset) => recordIn(offset)),
    records,
  )
  reader.pump()
  /** The next commit, which is not answered yet. */
  async function commit() {
    await heard.promise
    heard = Promise.withResolvers<void>()
    return asked.at(-1)
  }
  return { line, commit, sizes: () => given.map(({ length }) => length) }
}

test('nothing is handed out before its start is on record; then the start of the next half is on its way', async () => {
  const { sizes, commit } = reading(100, 10)
  const first = await commit()
  expect([first?.metadata, sizes()]).toEqual(['c1:5a', []])
  first?.answer()
  const second = await commit()
  // The first half is out, and may end the process.
  expect([second?.metadata, sizes()]).toEqual(['c1:10a', [5]])
})

test('a limit of one is one at a time', async () => {
  const { sizes, commit, line } = reading(3, 1)
  const first = await commit()
  expect([first?.metadata, sizes()]).toEqual(['c1:a', []])
  first?.answer()
  await new Promise((resolve) => setImmediate(resolve))
  expect([sizes(), line.out]).toEqual([[1], 1])
})

test('what was handed out before comes alone, and is not counted for what lies beside it', async () => {
  const { sizes, commit, line } = reading(6, 10, [1, 1])
  const first = await commit()
  expect([first?.metadata, line.out]).toEqual([encodeNote([2, 1]), 1])
  first?.answer()
  const second = await commit()
  expect([second?.metadata, sizes()]).toEqual([encodeNote([2, 2]), [1]])
})

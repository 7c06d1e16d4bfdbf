import { expect, test } from 'vitest'
import { systemClock } from '../../clock.ts'
import { compacted } from './fixtures/compacted.ts'
import { LetterLog } from './letter-log.ts'
import type { RecordIn } from './protocol/client.ts'

async function lettersOf(log: LetterLog, from?: number): Promise<readonly string[]> {
  const found: string[] = []
  for await (const records of log.letters(from)) found.push(...records.map(({ offset, key }) => `${key} at ${offset}`))
  return found
}

test('a letter is the last record of its key, unless one without a value comes behind it', async () => {
  const { client, put, drop, fetches } = compacted()
  for (const key of ['a', 'b', 'c', 'a', 'd', 'e']) put(key)
  drop('c')
  put('f')
  drop('d')
  put('d')
  expect(await lettersOf(new LetterLog({ client, topic: 't' }))).toEqual(['b at 1', 'a at 3', 'e at 5', 'f at 7', 'd at 9'])
  // A small log is read once.
  expect(fetches).toEqual([0, 3, 6, 9])
})

test('more letters than are kept in mind at a time are found all the same, each once', async () => {
  const { client, put, drop } = compacted()
  for (let n = 0; n < 40; n++) put(`k${n % 25}`)
  for (let n = 0; n < 25; n += 5) drop(`k${n}`)
  put('last')
  const left = Array.from({ length: 25 }, (_, n) => n).filter((n) => n % 5 !== 0)
  const wanted = [
    ...left.filter((n) => n >= 15).map((n) => `k${n} at ${n}`),
    ...left.filter((n) => n < 15).map((n) => `k${n} at ${n + 25}`),
    'last at 45',
  ]
  expect(await lettersOf(new LetterLog({ client, topic: 't', mostLetters: 4 }))).toEqual(wanted)
})

test('a page that goes on sees what was deleted since, and asks only for what it has not seen', async () => {
  const { client, put, drop, fetches } = compacted()
  for (let n = 0; n < 9; n++) put(`k${n}`)
  const log = new LetterLog({ client, topic: 't' })
  await lettersOf(log)
  fetches.length = 0
  drop('k7')
  put('k9')
  expect(await lettersOf(log, 6)).toEqual(['k6 at 6', 'k8 at 8', 'k9 at 10'])
  expect(fetches).toEqual([9, 6, 9])
})

test('a place that was deleted and made again is read from its beginning', async () => {
  const { client, put, remake } = compacted()
  for (let n = 0; n < 9; n++) put(`k${n}`)
  const log = new LetterLog({ client, topic: 't' })
  await lettersOf(log)
  remake()
  put('k1')
  expect(await lettersOf(log, 6)).toEqual(['k1 at 0'])
})

const asking = { clock: systemClock, timeoutMs: 5_000 }

test.each(['NOT_LEADER_FOR_PARTITION', 'lost'] as const)(
  'a walk goes on at its offset where the leader is another one (%s)',
  async (fault) => {
    const { client, put, fail } = compacted()
    for (let n = 0; n < 9; n++) put(`k${n}`)
    const found: string[] = []
    // Parts of two letters, so that the log is fetched again after the first.
    for await (const records of new LetterLog({ client, topic: 't', asking, mostLetters: 2 }).letters()) {
      if (found.length === 0 || found.length === 4) fail(fault)
      found.push(...records.map(({ key }) => `${key}`))
    }
    expect(found).toEqual(Array.from({ length: 9 }, (_, n) => `k${n}`))
  },
)

test('what the broker says of a place for good ends a walk at once', async () => {
  const { client, put } = compacted()
  put('k')
  const refused = Object.assign(new Error('out of range'), { type: 'OFFSET_OUT_OF_RANGE' })
  const log = new LetterLog({ client: { ...client, fetch: () => Promise.reject(refused) } as unknown as typeof client, topic: 't', asking })
  await expect(lettersOf(log)).rejects.toBe(refused)
})

test('letters that somebody has deleted, or that are stored anew, since they were read are not there still', async () => {
  const { client, put, drop, fetches, remake } = compacted()
  for (const key of ['a', 'b', 'c']) put(key)
  const log = new LetterLog({ client, topic: 't' })
  const letters: { readonly record: RecordIn }[] = []
  for await (const records of log.letters()) letters.push(...records.map((record) => ({ record })))
  const still = async () => (await log.still(letters)).map(({ record: { key } }) => `${key}`)
  fetches.length = 0
  expect([await still(), fetches]).toEqual([['a', 'b', 'c'], []])
  drop('b')
  expect([await still(), fetches]).toEqual([['a', 'c'], [3]])
  put('c')
  expect(await still()).toEqual(['a'])
  remake()
  expect(await still()).toEqual([])
})

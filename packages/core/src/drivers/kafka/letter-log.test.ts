import { expect, test } from 'vitest'
import { LetterLog } from './letter-log.ts'
import type { Client, RecordIn } from './protocol/client.ts'

/** A compacted log of one partition, fetched three records at a time. */
function logOf(): { client: Client; put: (key: string) => void; drop: (key: string) => void; remake: () => void; fetches: number[] } {
  let records: RecordIn[] = []
  const fetches: number[] = []
  const add = (key: string, value: Buffer | null) => {
    const headers = value ? { 'corebus-dead': Buffer.from('{}') } : {}
    records.push({ offset: records.length, at: 0, bytes: 10, key: Buffer.from(key), value, headers } as unknown as RecordIn)
  }
  const client = {
    leaders: async () => [0],
    offsets: async (_topic: string, _leaders: unknown, which: string) => [which === 'begin' ? 0 : records.length],
    async fetch(_leader: number, [{ offset }]: [{ offset: number }]) {
      fetches.push(offset)
      const some = records.slice(offset, offset + 3)
      return [{ records: some, next: offset + some.length }]
    },
  }
  return {
    client: client as unknown as Client,
    put: (key) => add(key, Buffer.from(key)),
    drop: (key) => add(key, null),
    remake() {
      records = []
    },
    fetches,
  }
}

async function lettersOf(log: LetterLog, from?: number): Promise<readonly string[]> {
  const found: string[] = []
  for await (const records of log.letters(from)) found.push(...records.map(({ offset, key }) => `${key} at ${offset}`))
  return found
}

test('a letter is the last record of its key, unless one without a value comes behind it', async () => {
  const { client, put, drop, fetches } = logOf()
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
  const { client, put, drop } = logOf()
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
  const { client, put, drop, fetches } = logOf()
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
  const { client, put, remake } = logOf()
  for (let n = 0; n < 9; n++) put(`k${n}`)
  const log = new LetterLog({ client, topic: 't' })
  await lettersOf(log)
  remake()
  put('k1')
  expect(await lettersOf(log, 6)).toEqual(['k1 at 0'])
})

import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { systemClock } from '../../../clock.ts'
import type { Metadata } from '../metadata.ts'
import type { Client, Fetched, Position } from '../protocol/client.ts'
import { loadLibrary } from '../protocol/client.ts'
import { Fetcher, type Source } from './fetcher.ts'

await loadLibrary()

interface Asked {
  readonly topics: readonly string[]
  readonly maxWaitMs: number
  answer(fetched?: readonly Fetched[]): void
}

/** A connection whose answers the test gives. */
function connection() {
  const asked: Asked[] = []
  const fetch = (_leader: number, positions: readonly Position[], { maxWaitMs }: { maxWaitMs: number }) =>
    new Promise<readonly Fetched[]>((resolve) =>
      asked.push({ topics: positions.map(({ topic }) => topic), maxWaitMs, answer: (fetched = []) => resolve(fetched) }),
    )
  return { asked, client: { fetch } as unknown as Client } // all that a fetcher asks of it
}

/** Every leader is known, unless they have to be looked up. */
function aFetcher({ metadata = {} as Metadata, leader = 1 }: { metadata?: Metadata; leader?: number }, ...topics: string[]) {
  const [polling, catchingUp] = [connection(), connection()]
  const sources = topics.map((topic): Source => ({ topic, partition: 0, next: 0, leader }))
  const paused = new Set<string>()
  const fetcher = new Fetcher<Source>({
    polling: polling.client,
    catchingUp: catchingUp.client,
    metadata,
    clock: systemClock,
    sources: () => sources.filter(({ topic }) => !paused.has(topic)),
    onFetched(source, { next }) {
      source.next = next
    },
    onOutOfRange: () => {},
    onGone: async () => {},
    states: { trouble: () => {}, forbidden: () => {} },
    onAnswer: () => {},
  })
  return { fetcher, sources, paused, polls: polling.asked, besides: catchingUp.asked }
}

const turn = () => sleep(5)

test('what can be read again while a poll is out is asked for at once, and then with all others', async () => {
  const { fetcher, paused, polls, besides } = aFetcher({}, 'full', 'delays')
  paused.add('full')
  fetcher.start()
  await turn()
  expect(polls.map(({ topics }) => topics)).toEqual([['delays']])
  paused.clear()
  fetcher.wake()
  await turn()
  expect(besides.map(({ topics }) => topics)).toEqual([['full']])
  besides[0]?.answer([{ topic: 'full', partition: 0, records: [], next: 9 }])
  await turn()
  expect(besides).toHaveLength(2)
  polls[0]?.answer()
  await turn()
  // Until the broker has answered what is out, nothing is asked twice.
  expect(polls).toHaveLength(1)
  besides[1]?.answer()
  await turn()
  expect([polls[1]?.topics, besides.length]).toEqual([['full', 'delays'], 2])
  fetcher.stop()
})

test('a poll is long, but for the first; what is asked beside it is short', async () => {
  const { fetcher, paused, polls, besides } = aFetcher({}, 'one', 'other')
  paused.add('other')
  fetcher.start()
  await turn()
  polls[0]?.answer()
  await turn()
  paused.clear()
  fetcher.wake()
  await turn()
  expect([...polls, ...besides].map(({ maxWaitMs }) => maxWaitMs)).toEqual([20, 1_000, 20])
  fetcher.stop()
})

test('with nothing to read it asks for nothing, until there is something', async () => {
  const { fetcher, paused, polls, besides } = aFetcher({}, 'one')
  paused.add('one')
  fetcher.start()
  await turn()
  expect(polls).toEqual([])
  paused.clear()
  fetcher.wake()
  await turn()
  expect([polls.length, besides.length]).toEqual([1, 0])
  fetcher.stop()
})

test('partitions that come while the leader of others is looked up are looked up next', async () => {
  const looked: string[] = []
  const first = Promise.withResolvers<readonly number[]>()
  const metadata = {
    leaders(topic: string) {
      looked.push(topic)
      return looked.length === 1 ? first.promise : Promise.resolve([1])
    },
  } as unknown as Metadata // all that a fetcher asks of it
  const { fetcher, sources, polls, besides } = aFetcher({ metadata, leader: -1 }, 'early')
  fetcher.start()
  await turn()
  sources.push({ topic: 'late', partition: 0, next: 0, leader: -1 })
  fetcher.wake()
  first.resolve([1])
  await turn()
  expect(looked).toEqual(['early', 'late'])
  expect([...polls, ...besides].flatMap(({ topics }) => topics)).toEqual(['early', 'late'])
  fetcher.stop()
})

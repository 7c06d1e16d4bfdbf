import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import type { SqlDatabase } from '../database/database.ts'
import { notifier } from './notify.ts'

let sent: number[]
let database: SqlDatabase

beforeEach(() => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  sent = []
  const startedAt = performance.now()
  const transaction = async (): Promise<undefined> => {
    sent.push(Math.round(performance.now() - startedAt))
    return undefined
  }
  database = { dialect: 'postgres', where: 'nowhere', transaction, read: transaction } as unknown as SqlDatabase
})

test('a commit is told at once, also where its session had written before', async () => {
  const { written, committed } = notifier(database, 'outbox')
  written()
  committed()
  await vi.advanceTimersByTimeAsync(5)
  expect(sent).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(100)
  expect(sent).toHaveLength(1)
})

test('commits one after the other are told every 10 ms, the last of them too', async () => {
  const { committed } = notifier(database, 'outbox')
  for (let ms = 0; ms <= 25; ms++) {
    committed()
    await vi.advanceTimersByTimeAsync(1)
  }
  await vi.advanceTimersByTimeAsync(100)
  expect(sent).toHaveLength(4)
})

test('a transaction of the user is told of when it has most likely ended', async () => {
  const { written } = notifier(database, 'outbox')
  written()
  await vi.advanceTimersByTimeAsync(19)
  expect(sent).toEqual([])
  await vi.advanceTimersByTimeAsync(2)
  expect(sent).toHaveLength(1)
})

import { randomUUID } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { EventEmitter, once } from 'node:events'
import type { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { CHANNEL, createMessaging, type Messaging } from '@corebus/core'
import { expect, onTestFinished, test } from 'vitest'
import { add, freshDatabase, ids } from '../fixtures/database.ts'
import { sqliteSession } from './sqlite.ts'

function messagingOn(
  database: DatabaseSync,
  more: { handlerTimeoutMs?: number; abortGraceMs?: number } = {},
): Messaging<{ db: DatabaseSync }> {
  const messaging = createMessaging<{ db: DatabaseSync }>({
    broker: 'memory',
    url: `memory://${randomUUID()}`,
    service: 'orders-api',
    session: sqliteSession(database),
    env: { LOG_LEVEL: 'silent' },
    ...more,
  })
  onTestFinished(() => messaging.close())
  return messaging
}

test('ten handlers at once, of which some throw, lose no row of their neighbours', async () => {
  const { database } = freshDatabase()
  const messaging = messagingOn(database)
  const done = new EventEmitter()
  let [running, most] = [0, 0]
  const handled = new Set<number>()
  messaging.handle({ topic: 'orders', concurrency: 10, maxRetries: 3, retryDelayMs: 5 }, async ({ id }, { db, attempt }) => {
    most = Math.max(most, ++running)
    try {
      add(db, id)
      await sleep(id % 3)
      if (id % 4 === 0 && attempt === 1) throw new Error('the first time')
      handled.add(id)
      if (handled.size === 100) done.emit('all')
    } finally {
      running--
    }
  })
  await messaging.start()
  const all = once(done, 'all')
  await messaging.getProducer().sendAll(
    'orders',
    Array.from({ length: 100 }, (_, id) => ({ message: { id } })),
  )
  await all
  await messaging.close()
  expect(most).toBe(1)
  expect(ids(database)).toEqual(Array.from({ length: 100 }, (_, id) => id))
})

test('a handler in the same process waits for the session that its message was sent in', async () => {
  const { database } = freshDatabase()
  const messaging = messagingOn(database)
  const handler = new EventEmitter()
  const attempts: number[] = []
  messaging.handle({ topic: 'orders' }, async ({ id }, { db, attempt }) => {
    attempts.push(attempt)
    add(db, id)
    handler.emit('ran')
  })
  await messaging.start()
  const send = async (id: number): Promise<void> => messaging.getProducer().send('orders', { id })
  const first = once(handler, 'ran')
  await send(1)
  await first
  // Now nothing is under way that the next message could travel with: it is handed out by what the session started.
  await sleep(20)
  const second = once(handler, 'ran')
  await sqliteSession(database).write(async (db) => {
    await send(3)
    await sleep(50)
    add(db, 2)
    expect(attempts).toEqual([1])
  })
  await second
  await messaging.close()
  expect([attempts, ids(database)]).toEqual([
    [1, 1],
    [1, 2, 3],
  ])
})

test('handlers that wait for their turn have all of their time once it comes, and nothing is stuck', async () => {
  const { database } = freshDatabase()
  const messaging = messagingOn(database, { handlerTimeoutMs: 1_000, abortGraceMs: 200 })
  const attempts: number[] = []
  messaging.handle({ topic: 'orders', concurrency: 10, maxRetries: 3, retryDelayMs: 5 }, async ({ id }, { db, attempt, signal }) => {
    attempts.push(attempt)
    add(db, id)
    await sleep(300)
    signal.throwIfAborted()
  })
  await messaging.start()
  await messaging.getProducer().sendAll(
    'orders',
    Array.from({ length: 10 }, (_, id) => ({ message: { id } })),
  )
  await expect.poll(() => messaging.counters.handled, { timeout: 20_000 }).toBe(10)
  expect([attempts, messaging.health().live]).toEqual([Array.from({ length: 10 }, () => 1), true])
})

test('a handler that gets no session in its time, and in which no other one does, fails without having begun', async () => {
  const { database } = freshDatabase()
  const messaging = messagingOn(database, { handlerTimeoutMs: 300, abortGraceMs: 300 })
  const [release, begun] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const held = sqliteSession(database).write(() => {
    begun.resolve()
    return release.promise
  })
  await begun.promise
  const errors: unknown[] = []
  const attempts: number[] = []
  const failed = (record: unknown): void => void errors.push((record as { error?: Error }).error?.message)
  subscribe(CHANNEL.handle, failed)
  onTestFinished(() => void unsubscribe(CHANNEL.handle, failed))
  messaging.handle({ topic: 'orders', maxRetries: 3, retryDelayMs: 5 }, (_, { attempt }) => void attempts.push(attempt))
  await messaging.start()
  await messaging.getProducer().send('orders', { id: 1 })
  await expect.poll(() => messaging.health().live, { timeout: 20_000 }).toBe(false)
  release.resolve()
  await held
  await expect.poll(() => errors.length, { timeout: 20_000 }).toBeGreaterThan(0)
  expect([errors[0], attempts]).toEqual([expect.stringMatching(/waited for its session/), []])
})

import { expect, onTestFinished, test } from 'vitest'
import type { MessagingOptions } from '../config/messaging-options.ts'
import type { Message } from '../driver.ts'
import { createMessaging, type Messaging } from '../messaging.ts'

let instances = 0

function fresh(options: MessagingOptions = {}): Messaging {
  const messaging = createMessaging({
    broker: 'memory',
    url: `memory://request-${++instances}`,
    service: 'x',
    env: { LOG_LEVEL: 'silent' },
    ...options,
  })
  onTestFinished(() => messaging.close())
  return messaging
}

const emit = (messaging: Messaging) => messaging.emit('seen', {}, { topic: 'pages' })

test('what a request records waits for its release, and is confirmed when that resolves', async () => {
  const messaging = fresh()
  const request = messaging.openRequest()
  await request.run(async () => emit(messaging))
  expect(messaging.counters.published).toBe(0)
  await request.release()
  expect([messaging.counters.published, request.committed]).toEqual([1, false])
})

test('what it records after its release leaves at once', async () => {
  const messaging = fresh()
  const request = messaging.openRequest()
  await request.run(async () => {
    await request.release()
    emit(messaging)
  })
  await messaging.close()
  expect(messaging.counters.published).toBe(1)
})

test('a release that cannot publish is counted and does not reject', async () => {
  const messaging = fresh()
  messaging.use({ publish: () => Promise.reject(new Error('no broker')) })
  const request = messaging.openRequest()
  await request.run(async () => emit(messaging))
  await request.release()
  expect(messaging.counters).toMatchObject({ published: 0, publishFailed: 1 })
})

test('a session that runs its work twice publishes once', async () => {
  const messaging = fresh({
    session: async (work) => {
      await work(1)
      return work(2)
    },
  })
  const request = messaging.openRequest()
  const db = await request.run(async (session) => {
    emit(messaging)
    return session
  })
  await request.release()
  expect([db, request.committed, messaging.counters.published]).toEqual([2, true, 1])
})

test('an answer that failed rolls its session back, and is what run resolves to', async () => {
  const ended: string[] = []
  const messaging = fresh({
    session: async (work) => {
      try {
        const result = await work(undefined)
        ended.push('commit')
        return result
      } catch (cause) {
        ended.push('rollback')
        throw new Error('wrapped', { cause })
      }
    },
  })
  const request = messaging.openRequest()
  const answer = await request.run(
    async () => {
      emit(messaging)
      return 409
    },
    (status) => status >= 400,
  )
  await request.release()
  expect([answer, ended, request.committed, messaging.counters.published]).toEqual([409, ['rollback'], false, 0])
})

test('with an outbox what was recorded is written in the session, in order, and not published beside it', async () => {
  const written: [unknown, readonly Message[]][] = []
  const messaging = fresh({
    session: (work) => work('tx'),
    outbox: {
      write: async (db, messages) => {
        written.push([db, messages.map(({ message }) => message)])
      },
    },
  })
  const request = messaging.openRequest({ correlationId: 'r1' })
  await request.run(async () => {
    emit(messaging)
    await messaging.publishEvent('also.seen', {}, { topic: 'pages' })
  })
  await request.release()
  expect(written).toHaveLength(1)
  expect(written[0]?.[0]).toBe('tx')
  expect(written[0]?.[1].map(({ headers }) => headers['corebus-correlation'])).toEqual(['r1', 'r1'])
  expect(messaging.counters.published).toBe(0)
})

test('close waits for open requests, at most shutdownMs', async () => {
  const messaging = fresh({ shutdownMs: 50 })
  const request = messaging.openRequest()
  await request.run(async () => emit(messaging))
  const closing = messaging.close()
  await request.release()
  await closing
  expect(messaging.counters.published).toBe(1)

  const never = fresh({ shutdownMs: 50 })
  never.openRequest()
  await never.close()
})

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, onTestFinished, test } from 'vitest'
import { allSettled, collector, onMemory, until } from '../../test/kit.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { CHANNEL } from './channels.ts'

const LEVEL = { debug: 20, info: 30, warn: 40 }

describe('the log', () => {
  test('says what becomes of a message, and names it in every line', async () => {
    const clock = new VirtualClock()
    const { logger, lines } = collector('debug')
    const messaging = onMemory({ clock, logger, maxRetries: 3, retryDelayMs: 2_000 })
    messaging.on('user.created', { group: 'orders', topic: 'user-events' }, ({ data }, { attempt }) => {
      if (data === 'never' || attempt === 1) throw new Error('not yet')
    })
    await messaging.start()
    const options = { topic: 'user-events', key: 7, correlationId: 'c' }
    await messaging.publishEvent('user.created', 'later', { ...options, id: 'm1' })
    await messaging.publishEvent('user.created', 'never', { ...options, id: 'm2', key: 8 })
    await clock.advance(60_000)

    const said = (level: keyof typeof LEVEL) => lines.filter((line) => line.level === LEVEL[level] && !line.msg.startsWith('broker '))
    const place = { topic: 'user-events', event: 'user.created', correlationId: 'c' }
    const retry = (id: string, key: string, attempt: number) =>
      expect.objectContaining({
        ...place,
        group: 'orders',
        id,
        key,
        attempt,
        afterMs: 2_000,
        msg: `retry ${attempt}/3 in 2000 ms: user.created from user-events: not yet`,
      })
    expect(said('info')).toEqual([
      expect.objectContaining({
        pid: process.pid,
        group: 'orders',
        topics: ['user-events'],
        msg: expect.stringMatching(/^consumer started: pid \d+, group orders, topics user-events, concurrency 10$/),
      }),
      expect.objectContaining({ topics: ['user-events'], msg: expect.stringMatching(/^topic user-events did not exist and was made/) }),
      retry('m1', '7', 1),
      retry('m2', '8', 1),
      retry('m2', '8', 2),
      retry('m2', '8', 3),
    ])
    expect(said('warn')).toEqual([
      expect.objectContaining({
        ...place,
        group: 'orders',
        id: 'm2',
        key: '8',
        attempt: 4,
        reason: 'failed',
        err: expect.objectContaining({ message: 'not yet', stack: expect.any(String) }),
        msg: 'moved to dead letters: user.created from user-events (failed): not yet',
      }),
    ])
    expect(said('debug')).toEqual([
      expect.objectContaining({ ...place, id: 'm1', key: '7', msg: 'published user.created to user-events' }),
      expect.objectContaining({ ...place, id: 'm2', key: '8', msg: 'published user.created to user-events' }),
      expect.objectContaining({
        ...place,
        group: 'orders',
        id: 'm1',
        key: '7',
        attempt: 2,
        outcome: 'ok',
        durationMs: expect.any(Number),
        msg: 'handled user.created from user-events',
      }),
    ])
  })

  test('a handler’s own lines carry its message', async () => {
    const { logger, lines } = collector('info')
    const messaging = onMemory({ logger })
    messaging.handle({ topic: 't', group: 'g' }, (_, context) => context.logger.info('mine'))
    await messaging.start()
    await messaging.getProducer().send('t', 1, { key: 'k', id: 'm', correlationId: 'c' })
    await until(
      () => messaging.counters.handled === 1,
      () => messaging.counters,
    )
    expect(lines.find(({ msg }) => msg === 'mine')).toMatchObject({
      topic: 't',
      group: 'g',
      key: 'k',
      id: 'm',
      attempt: 1,
      correlationId: 'c',
    })
  })

  test('says once which broker, where and why', async () => {
    const { logger, lines } = collector('info')
    const messaging = onMemory({ logger })
    await Promise.all([messaging.getProducer().send('t', 1), messaging.driver(), messaging.getProducer().send('u', 1)])
    expect(lines).toEqual([expect.objectContaining({ broker: 'memory', msg: expect.stringMatching(/^broker memory at this process \(/) })])
  })
})

describe('the diagnostics channels', () => {
  test('tell ids and times of every step, and never a body', async () => {
    const told: unknown[][] = []
    for (const [name, channel] of Object.entries(CHANNEL)) {
      const listen = (record: unknown) => void told.push([name, record])
      subscribe(channel, listen)
      onTestFinished(() => void unsubscribe(channel, listen))
    }
    const messaging = onMemory({ service: 'shop', retryDelayMs: 1 })
    messaging.handle({ topic: 't', group: 'g' }, (_, { attempt }) => {
      if (attempt === 1) throw new Error('no')
    })
    await messaging.start()
    await messaging.getProducer().send('t', 'a secret', { id: 'm', key: 'k', correlationId: 'c' })
    await until(
      () => told.length === 9,
      () => told,
    )
    await messaging.close()
    // The instance says everything under one id.
    const who = { service: 'shop', instance: (told[0]?.[1] as { readonly instance?: string } | undefined)?.instance }
    const message = { ...who, topic: 't', id: 'm', key: 'k', correlationId: 'c' }
    const handled = { ...message, group: 'g' }
    expect(who.instance).toMatch(/^[\w-]{36}$/)
    expect(told).toEqual([
      ['state', { ...who, state: 'connected' }],
      ['state', { ...who, state: 'consuming', group: 'g' }],
      ['publish', message],
      ['deliver', { ...handled, unsettledBefore: 0 }],
      ['handle', { ...handled, attempt: 1, durationMs: expect.any(Number), outcome: 'failed', error: new Error('no') }],
      ['settle', { ...handled, attempt: 1, settlement: 'retry', afterMs: 1 }],
      ['deliver', { ...handled, unsettledBefore: 0 }],
      ['handle', { ...handled, attempt: 2, durationMs: expect.any(Number), outcome: 'ok' }],
      ['settle', { ...handled, attempt: 2, settlement: 'ack' }],
      ['state', { ...who, state: 'stopped', group: 'g' }],
    ])
    expect(JSON.stringify(told)).not.toContain('a secret')
  })

  test('tell a message that nobody handles', async () => {
    const told: unknown[] = []
    const listen = (record: unknown) => void told.push(record)
    subscribe(CHANNEL.handle, listen)
    onTestFinished(() => void unsubscribe(CHANNEL.handle, listen))
    const messaging = onMemory()
    messaging.on('known', { topic: 't', group: 'g' }, () => undefined)
    await messaging.start()
    await messaging.publishEvent('unknown', 1, { topic: 't', id: 'm' })
    await allSettled(messaging, 't', 'g')
    expect(told).toEqual([expect.objectContaining({ topic: 't', group: 'g', event: 'unknown', id: 'm', attempt: 1, outcome: 'skipped' })])
  })

  test('tell a publish that failed', async () => {
    const told: unknown[] = []
    const listen = (record: unknown) => void told.push(record)
    subscribe(CHANNEL.publish, listen)
    onTestFinished(() => void unsubscribe(CHANNEL.publish, listen))
    const messaging = onMemory()
    messaging.use({ publish: (message, next) => (message.id === 'bad' ? Promise.reject(new Error('no')) : next(message)) })
    const sent = messaging.getProducer().sendAll('t', [
      { message: 1, id: 'bad' },
      { message: 2, id: 'good' },
    ])
    await expect(sent).rejects.toMatchObject({ failures: [{ id: 'bad' }] })
    expect(told).toEqual([
      expect.objectContaining({ id: 'bad', error: new Error('no') }),
      expect.not.objectContaining({ error: expect.anything() }),
    ])
    expect(messaging.counters).toMatchObject({ published: 1, publishFailed: 1 })
  })
})

test('names that never end are counted, and neither kept nor said without end', async () => {
  const { logger, lines } = collector('info')
  const messaging = onMemory({ logger })
  messaging.on('known', { group: 'g', topic: 't' }, () => undefined)
  await messaging.start()
  const names = Array.from({ length: 3_000 }, (_, n) => `${n}${'x'.repeat(600)}`)
  await Promise.all(names.map((name) => messaging.publishEvent(name, n(name), { topic: 't' })))
  await until(
    () => messaging.counters.skipped === 3_000,
    () => messaging.counters.skipped,
  )
  const said = lines.filter(({ msg }) => /skipped/.test(msg))
  expect(said).toHaveLength(1_001)
  expect(said.at(-1)?.msg).toBe('more than 1000 kinds of messages are skipped: from here on they are only counted')
})

const n = (name: string) => Number.parseInt(name, 10)

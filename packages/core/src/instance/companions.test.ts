import { afterEach, describe, expect, test, vi } from 'vitest'
import { onMemory, quiet } from '../../test/kit.ts'
import { storeInMemory, type Tx } from '../../test/stores.ts'
import { CorebusError } from '../errors.ts'
import { registry } from '../process/registry.ts'
import { want } from '../process/wanted.ts'
import type { Attached, Companion, Host } from '../scope/companion.ts'

afterEach(() => {
  registry.wanted = undefined
})

const companion = (log: string[], attached: Partial<Attached> = {}, hosts: Host[] = []): Companion => ({
  attach: (host) => {
    hosts.push(host)
    return { begin: () => void log.push('begin'), close: async () => void log.push('close'), ...attached }
  },
})

test('a companion is attached at once, and begins when the instance begins to work, once', async () => {
  const first: Record<string, (messaging: ReturnType<typeof onMemory>) => unknown> = {
    session: (messaging) => messaging.session(async () => undefined),
    request: async (messaging) => {
      const request = messaging.openRequest()
      await request.run(async () => undefined)
      await request.release()
    },
    start: async (messaging) => {
      messaging.handle({ topic: 'in' }, () => undefined)
      await messaging.start()
    },
    begin: (messaging) => messaging.begin(),
  }
  for (const begin of Object.values(first)) {
    const log: string[] = []
    const messaging = onMemory({ session: (work) => work('tx' as never), schedules: companion(log) })
    await messaging.publishEvent('x', 1, { topic: 't' })
    expect(log).toEqual([])
    await begin(messaging)
    messaging.begin()
    expect(log).toEqual(['begin'])
    await messaging.close()
    messaging.begin()
    expect(log).toEqual(['begin', 'close'])
  }
})

test('what leaves in the background at a close is written into the outbox before that is closed; nothing begins after it', async () => {
  const log: string[] = []
  const outbox = {
    attach: () => ({ begin: () => void log.push('begin'), close: async () => void log.push('close') }),
    write: async () => {
      await quiet(20)
      log.push('written')
    },
  }
  const messaging = onMemory({ outbox })
  messaging.emit('x', 1, { topic: 'out', delayMs: 1_000 })
  await messaging.close()
  expect(log).toEqual(['begin', 'written', 'close'])
  const unused: string[] = []
  const other = onMemory({ schedules: companion(unused) })
  await other.close()
  other.begin()
  expect(unused).toEqual(['close'])
})

test('start checks all companions, after onStart and before the first handler, and says everything at once', async () => {
  const log: string[] = []
  const failing = (code: string): Partial<Attached> => ({
    check: async () => {
      log.push('check')
      throw new CorebusError(code, `${code} is wrong`)
    },
  })
  const store = storeInMemory({ attached: failing('SCHEMA') })
  const messaging = onMemory<{ db: Tx }>({
    session: store.sessions,
    outbox: store.outbox,
    schedules: companion(log, failing('CLOCK')),
    onStart: () => void log.push('onStart'),
  })
  messaging.handle({ topic: 'in' }, () => undefined)
  await expect(messaging.start()).rejects.toMatchObject({ code: 'SCHEMA', message: 'SCHEMA is wrong; CLOCK is wrong' })
  expect(log).toEqual(['onStart', 'check', 'check'])
})

test('companions are closed after handlers and requests, and before the broker, also when one of them fails', async () => {
  const log: string[] = []
  const within: number[] = []
  const hosts: Host[] = []
  const schedules = companion(
    log,
    {
      close: async (withinMs) => {
        within.push(withinMs)
        await hosts[0]?.publish([{ id: 'm', topic: 'last', headers: {}, body: new Uint8Array() }])
        log.push('last one published')
        throw new Error('no')
      },
    },
    hosts,
  )
  const messaging = onMemory({ schedules, shutdownMs: 5_000, session: (work) => work('tx' as never) })
  const running = Promise.withResolvers<void>()
  const block = messaging.session(() => running.promise.then(() => log.push('session ended')))
  const closing = messaging.close()
  running.resolve()
  await Promise.all([block, closing])
  expect(log).toEqual(['begin', 'session ended', 'last one published'])
  expect(within[0]).toBeGreaterThan(0)
  expect(messaging.counters.published).toBe(1)
})

test('health has what they say, and their trouble keeps the instance from being ready', async () => {
  let trouble: string | undefined
  const store = storeInMemory({ attached: { health: () => ({ oldestMs: 7, trouble }) } })
  const messaging = onMemory<{ db: Tx }>({ session: store.sessions, outbox: store.outbox })
  await messaging.driver()
  expect(messaging.health()).toMatchObject({ ready: true, outbox: { oldestMs: 7 } })
  trouble = 'the table is missing'
  expect(messaging.health()).toMatchObject({ live: true, ready: false, reasons: ['outbox: the table is missing'] })
})

test('the host knows the longest retry of all groups, once they are planned', async () => {
  const hosts: Host[] = []
  const asked: (number | undefined)[] = []
  const messaging = onMemory({
    schedules: companion([], { check: async () => void asked.push(hosts[0]?.longestRetryMs()) }, hosts),
  })
  expect(hosts[0]?.longestRetryMs()).toBe(0)
  messaging.handle({ topic: 'a', group: 'a', maxRetries: 2, retryDelayMs: 100 }, () => undefined)
  messaging.handle({ topic: 'b', group: 'b', maxRetries: 3, retryDelayMs: 1_000, autoStart: false }, () => undefined)
  await messaging.start()
  expect(asked).toEqual([3_000])
})

test('an instance publishes an event for its companions as it does for others', async () => {
  const store = storeInMemory()
  onMemory<{ db: Tx }>({ session: store.sessions, outbox: store.outbox })
  const tx: Tx = { n: 0, rows: [], written: [], marks: [] }
  await store.outbox.host()?.publishEvent('tick' as never, 1, { topic: 'out', tx })
  expect(tx.written.map(({ message }) => message.event)).toEqual(['tick'])
})

test('one companion works for one instance, until that is closed', async () => {
  const schedules = companion([])
  const first = onMemory({ schedules })
  expect(() => onMemory({ schedules })).toThrow(expect.objectContaining({ code: 'COMPANION' }))
  await first.close()
  onMemory({ schedules })
})

describe('what was registered for a companion', () => {
  /** The default instance of a process of its own. */
  async function fresh() {
    vi.resetModules()
    delete (globalThis as Record<symbol, unknown>)[Symbol.for('corebus.registry')]
    const [corebus, internal] = await Promise.all([import('../index.ts'), import('../internal.ts')])
    const options = { broker: 'memory', url: 'memory://wanted', service: 's', env: {}, logLevel: 'silent' } as const
    return { ...corebus, ...internal, options }
  }
  const nightly = { where: 'schedule nightly at jobs.ts:3', hint: 'Give configureMessaging({ schedules: sqlSchedules() })', what: 1 }

  test('is an error at start where there is none', async () => {
    const { configureMessaging, awaitsCompanion: want, options } = await fresh()
    const messaging = configureMessaging(options)
    messaging.handle({ topic: 'in' }, () => undefined)
    want('schedules', nightly)
    await expect(messaging.start()).rejects.toMatchObject({
      code: 'COMPANION',
      message: expect.stringMatching(/^schedule nightly at jobs\.ts:3: nothing runs it, .*option schedules.*sqlSchedules\(\)/),
    })
    await messaging.close()
  })

  test('is run by it without any handler', async () => {
    const { configureMessaging, awaitsCompanion: want, wanted, options } = await fresh()
    const log: string[] = []
    want('schedules', nightly)
    const messaging = configureMessaging({ ...options, schedules: companion(log) })
    await messaging.start()
    expect([log, wanted('schedules')[0]?.what, messaging.health().ready]).toEqual([['begin'], 1, true])
    await messaging.close()
  })

  test('is nothing to an instance that is not the default one', async () => {
    want('schedules', nightly)
    const messaging = onMemory()
    messaging.handle({ topic: 'in' }, () => undefined)
    await messaging.start()
  })
})

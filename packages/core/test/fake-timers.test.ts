import { mock } from 'node:test'
import { afterEach, expect, test, vi } from 'vitest'
import { real, systemClock } from '../src/clock.ts'
import type { Messaging } from '../src/messaging.ts'
import { collector, onMemory } from './kit.ts'

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
  mock.timers.reset()
})

/** Lets happen what needs no time: the fake timers must not be what moves it. */
const until = async (done: () => boolean): Promise<void> => {
  const end = real.now() + 5_000
  while (!done()) {
    if (real.now() > end) throw new Error('it did not come')
    await new Promise<void>((resolve) => real.setTimeout(resolve, 1))
  }
}

/** Fails twice, a minute apart each time. */
function failing(messaging: Messaging): number[] {
  const calls: number[] = []
  messaging.handle({ topic: 't', group: 'g', maxRetries: 2, retryDelayMs: 60_000 }, () => {
    calls.push(Date.now())
    throw new Error('not yet')
  })
  return calls
}

test('fake timers that were there before the start: what needs no time happens, a retry comes when the fake clock has come to it', async () => {
  vi.useFakeTimers({ now: Date.UTC(2030, 0, 1) })
  const messaging = onMemory()
  const calls = failing(messaging)
  await messaging.start()
  await messaging.getProducer().send('t', 1)
  await until(() => messaging.counters.retried === 1)
  await vi.advanceTimersByTimeAsync(59_000)
  expect(calls.length).toBe(1)
  await vi.advanceTimersByTimeAsync(1_000)
  await until(() => calls.length === 2 && messaging.counters.retried === 2)
  expect((calls[1] ?? 0) - Date.UTC(2030, 0, 1)).toBe(60_000)
  await vi.advanceTimersByTimeAsync(60_000)
  await until(() => messaging.counters.dead === 1)
  await messaging.close()
})

test.each([
  ['before messaging started', true],
  ['while it ran', false],
])('with real timers again the process delivers on, and what waited begins anew: they were put in place %s', async (_, before) => {
  if (before) vi.useFakeTimers()
  const messaging = onMemory()
  let calls = 0
  messaging.handle({ topic: 't', group: 'g', maxRetries: 1, retryDelayMs: 50 }, (n: number) => {
    if (n === 1 && ++calls === 1) throw new Error('not yet')
  })
  await messaging.start()
  vi.useFakeTimers({ now: 0 })
  await messaging.getProducer().send('t', 1)
  await until(() => messaging.counters.retried === 1)
  vi.useRealTimers()
  await messaging.getProducer().send('t', 2)
  await until(() => calls === 2 && messaging.counters.handled === 2)
  vi.useFakeTimers()
  await messaging.getProducer().send('t', 3)
  await until(() => messaging.counters.handled === 3)
})

test('the time-out of a handler follows the fake clock, and closing does not wait for it', async () => {
  vi.useFakeTimers()
  const messaging = onMemory({ shutdownMs: 20, abortGraceMs: 1_500 })
  let reason: unknown
  messaging.handle({ topic: 't', group: 'g', maxRetries: 0, handlerTimeoutMs: 5_000 }, (_, { signal }) => {
    signal.addEventListener('abort', () => {
      reason = signal.reason
    })
    return new Promise(() => undefined)
  })
  await messaging.start()
  await messaging.getProducer().send('t', 1)
  await until(() => messaging.health().groups[0]?.running === 1)
  await vi.advanceTimersByTimeAsync(4_000)
  expect(reason).toBeUndefined()
  await vi.advanceTimersByTimeAsync(2_000)
  expect(reason).toMatchObject({ code: 'HANDLER_TIMEOUT' })
  await messaging.close()
})

test('nothing of a runtime that has nothing to do waits on the fake clock', async () => {
  vi.useFakeTimers()
  const messaging = onMemory()
  messaging.handle({ topic: 't', group: 'g' }, () => undefined)
  await messaging.start()
  await messaging.getProducer().send('t', 1)
  await until(() => messaging.counters.handled === 1)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(vi.getTimerCount()).toBe(0)
})

test('every timer faked, microtasks among them, as Jest does', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'Date', 'performance'] })
  const messaging = onMemory()
  const calls = failing(messaging)
  await messaging.start()
  await messaging.getProducer().send('t', 1)
  await until(() => messaging.counters.retried === 1)
  await vi.advanceTimersByTimeAsync(60_000)
  await until(() => calls.length === 2)
})

test('the fake timers of node:test', async () => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'setImmediate', 'Date'] })
  const messaging = onMemory()
  const calls = failing(messaging)
  await messaging.start()
  await messaging.getProducer().send('t', 1)
  await until(() => messaging.counters.retried === 1)
  mock.timers.tick(59_000)
  mock.timers.tick(1_000)
  await until(() => calls.length === 2)
  mock.timers.reset()
  await messaging.getProducer().send('t', 1)
  await until(() => calls.length === 3)
})

test('a Date that stands still is no clock: timers are real, and a retry comes', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: 0 })
  const messaging = onMemory()
  let calls = 0
  messaging.handle({ topic: 't', group: 'g', maxRetries: 1, retryDelayMs: 20 }, () => {
    if (++calls === 1) throw new Error('not yet')
  })
  await messaging.start()
  await messaging.getProducer().send('t', 1)
  await until(() => calls === 2)
})

test('the package loaded while timers are fake: nothing real can be taken from the globals, and it runs all the same', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'Date', 'performance'] })
  vi.resetModules()
  const { createMessaging } = await import('../src/index.ts')
  const { real: theirs } = await import('../src/clock.ts')
  expect(theirs).not.toBe(real)
  expect([theirs.setTimeout, theirs.setImmediate, theirs.queueMicrotask]).toEqual([real.setTimeout, real.setImmediate, real.queueMicrotask])
  const messaging = createMessaging({ broker: 'memory', url: 'memory://late', service: 's', env: {}, logger: collector().logger })
  const calls = failing(messaging as never)
  await messaging.start()
  await messaging.getProducer().send('t', 1)
  await until(() => messaging.counters.retried === 1)
  await vi.advanceTimersByTimeAsync(60_000)
  await until(() => calls.length === 2)
  vi.useRealTimers()
  await messaging.getProducer().send('t', 1)
  await until(() => calls.length === 3)
  await messaging.close()
})

test('the monotonic clock goes on from where it was when its source changes, and never back', () => {
  const { monotonic = Number } = systemClock
  const first = monotonic()
  vi.useFakeTimers({ now: 0 })
  const faked = monotonic()
  vi.advanceTimersByTime(1_000)
  const advanced = monotonic()
  vi.useRealTimers()
  const back = monotonic()
  expect(faked - first).toBeLessThan(100)
  expect(Math.round(advanced - faked)).toBe(1_000)
  expect(back).toBeGreaterThanOrEqual(advanced)
  expect(back - advanced).toBeLessThan(100)
})

test('timers that were wrapped before the package was loaded, as an APM agent does, are no fake ones: nothing looks for their end', async () => {
  const { setTimeout } = globalThis
  vi.stubGlobal(
    'setTimeout',
    Object.assign((...args: Parameters<typeof setTimeout>) => setTimeout(...args), {}),
  )
  vi.resetModules()
  const fresh: { real: { setInterval: unknown }; systemClock: typeof systemClock } = await import('../src/clock.ts')
  let looks = 0
  fresh.real.setInterval = () => {
    looks++
    return { unref: () => undefined }
  }
  await new Promise<void>((done) => fresh.systemClock.after(5, done))
  expect(looks).toBe(0)
})

import { expect, test } from 'vitest'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { type Awaited, Pending } from './pending.ts'

const entry = (deadline: number): Awaited => ({ deadline, over: false, previous: undefined, next: undefined })

/** What expires is ended, as everybody does it. */
function pendingOn(clock: VirtualClock) {
  const expired: { readonly entry: Awaited; readonly at: number }[] = []
  const pending: Pending<Awaited> = new Pending({
    clock,
    onExpired(entries) {
      for (const one of entries) {
        expired.push({ entry: one, at: clock.now() })
        pending.end(one)
      }
    },
  })
  return { pending, expired }
}

test('each expires at its own deadline, in whatever order they come', async () => {
  const clock = new VirtualClock(0)
  const { pending, expired } = pendingOn(clock)
  const [late, early, middle] = [entry(900), entry(100), entry(500)]
  for (const one of [late, early, middle]) pending.add(one)
  await clock.advance(1_000)
  expect(expired).toEqual([
    { entry: early, at: 100 },
    { entry: middle, at: 500 },
    { entry: late, at: 900 },
  ])
})

test('many that expire one after another are looked for together, each a few milliseconds late at most', async () => {
  const clock = new VirtualClock(0)
  const { pending, expired } = pendingOn(clock)
  for (let at = 1; at <= 100; at++) pending.add(entry(at))
  await clock.advance(200)
  expect(expired.length).toBe(100)
  expect(expired.every(({ entry: { deadline }, at }) => at >= deadline - 1 && at <= deadline + 10)).toBe(true)
  expect(new Set(expired.map(({ at }) => at)).size).toBeLessThanOrEqual(11)
})

test('what has ended does not expire, and ends once', async () => {
  const clock = new VirtualClock(0)
  const { pending, expired } = pendingOn(clock)
  const one = entry(100)
  pending.add(one)
  expect([pending.end(one), pending.end(one), one.over, pending.size]).toEqual([true, false, true, 0])
  await clock.advance(1_000)
  expect(expired).toEqual([])
})

test('the first is the one that came first of those that have not ended, whichever has', () => {
  const { pending } = pendingOn(new VirtualClock(0))
  const [a, b, c, d] = [entry(4), entry(3), entry(2), entry(1)]
  for (const one of [a, b, c, d]) pending.add(one)
  const seen: (Awaited | undefined)[] = []
  for (const one of [b, a, d, c]) {
    seen.push(pending.first)
    pending.end(one)
  }
  expect([...seen, pending.first, pending.size]).toEqual([a, a, c, c, undefined, 0])
})

test('an entry that has ended keeps none of its neighbours alive', () => {
  const { pending } = pendingOn(new VirtualClock(0))
  const [a, b, c] = [entry(3), entry(2), entry(1)]
  for (const one of [a, b, c]) pending.add(one)
  pending.end(b)
  expect([b.previous, b.next, a.next, c.previous]).toEqual([undefined, undefined, c, a])
})

test('at rest is when nothing is pending', async () => {
  const clock = new VirtualClock(0)
  const { pending } = pendingOn(clock)
  await pending.atRest()
  const one = entry(100)
  pending.add(one)
  let rests = false
  const resting = pending.atRest().then(() => {
    rests = true
  })
  await clock.settle()
  expect(rests).toBe(false)
  pending.end(one)
  await resting
})

test('an entry that comes when the timer of those before is left to fire still has its own deadline', async () => {
  const clock = new VirtualClock(0)
  const { pending, expired } = pendingOn(clock)
  const before = entry(1_000)
  pending.add(before)
  pending.end(before)
  await clock.advance(600)
  const next = entry(1_600)
  pending.add(next)
  await clock.advance(999)
  expect(expired).toEqual([])
  await clock.advance(1)
  expect(expired).toEqual([{ entry: next, at: 1_600 }])
})

test('nothing expires after stop', async () => {
  const clock = new VirtualClock(0)
  const { pending, expired } = pendingOn(clock)
  pending.add(entry(100))
  pending.stop()
  pending.add(entry(50))
  await clock.advance(1_000)
  expect(expired).toEqual([])
})

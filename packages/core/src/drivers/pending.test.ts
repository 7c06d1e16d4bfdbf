import { expect, test } from 'vitest'
import { PublishError } from '../errors.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { type PendingMessage, PendingMessages, PublishCall, storeOne, type Waiter } from './pending.ts'
import { SendWindow } from './send-window.ts'

const message = (id: string, waiter: Waiter<never>, bytes = 1): PendingMessage => ({
  id,
  bytes,
  deadline: waiter.deadline,
  waiter,
  n: 0,
  over: false,
  previous: undefined,
  next: undefined,
})

const failuresOf = (call: PublishCall) =>
  call.stored.then(
    () => 'stored',
    (error: unknown) =>
      error instanceof PublishError ? error.failures.map(({ id, permanent, cause }) => [id, permanent, cause.message]) : error,
  )

test('a call resolves when all of its messages are stored, and names those that are not', async () => {
  const clock = new VirtualClock(0)
  const pending = new PendingMessages({ clock, trouble: () => undefined })
  const fine = new PublishCall({ messages: 2, clock, withinMs: 100 })
  const mixed = new PublishCall({ messages: 2, clock, withinMs: 100 })
  const [a, b, c, d] = [message('a', fine), message('b', fine), message('c', mixed), message('d', mixed)]
  for (const one of [a, b, c, d]) pending.add(one)
  for (const one of [a, b, d]) pending.end(one)
  pending.end(c, { permanent: true, cause: new Error('too large') })
  expect([await failuresOf(fine), await failuresOf(mixed)]).toEqual(['stored', [['c', true, 'too large']]])
})

test('what is not confirmed by the deadline of its call fails, says why, and is over', async () => {
  const clock = new VirtualClock(0)
  let expired = 0
  const pending = new PendingMessages({ clock, trouble: () => new Error('no leader'), onExpired: () => expired++ })
  const call = new PublishCall({ messages: 1, clock, withinMs: 100 })
  const copy = storeOne(500, (waiter) => pending.add(message('copy', waiter))).catch((error: unknown) => error)
  const one = message('a', call)
  pending.add(one)
  const failures = failuresOf(call)
  await clock.advance(100)
  const why = 'no confirm in time: no leader; the message may still be on the broker'
  expect([await failures, one.over, pending.size, expired]).toEqual([[['a', false, why]], true, 1, 1])
  await clock.advance(400)
  expect(await copy).toMatchObject({ code: 'PUBLISH_TIMEOUT', message: why })
})

test('what has waited until its deadline before it could be sent is late', async () => {
  const clock = new VirtualClock(0)
  const call = new PublishCall({ messages: 1, clock, withinMs: 100 })
  call.throwIfLate()
  await clock.advance(100)
  expect(() => call.throwIfLate()).toThrow(expect.objectContaining({ code: 'PUBLISH_TIMEOUT' }))
})

test('when it closes, what is pending and what comes fails', async () => {
  const clock = new VirtualClock(0)
  const pending = new PendingMessages({ clock, trouble: () => undefined })
  const call = new PublishCall({ messages: 2, clock, withinMs: 100 })
  const failures = failuresOf(call)
  expect(pending.add(message('before', call))).toBe(true)
  pending.close(new Error('closed'))
  expect(pending.add(message('after', call))).toBe(false)
  await pending.flush()
  expect(await failures).toEqual([
    ['before', false, 'closed'],
    ['after', false, 'closed'],
  ])
})

test('a window has so many messages and bytes in flight, and one message in any case', () => {
  const clock = new VirtualClock(0)
  const call = new PublishCall({ messages: 9, clock, withinMs: 100 })
  const send = (window: SendWindow<PendingMessage>): string[] => {
    const sent: string[] = []
    for (let entry = window.next(); entry; entry = window.next()) {
      window.shift()
      window.sent(entry)
      sent.push(entry.id)
    }
    return sent
  }
  const window = new SendWindow<PendingMessage>({ messages: 3, bytes: 10 })
  const entries = [100, 4, 4, 4, 1, 1].map((bytes, n) => ({ ...message(String(n), call, bytes), n }))
  for (const entry of entries) window.push(entry)
  const first = send(window)
  window.answered(entries[0] as PendingMessage)
  const rest = send(window)
  expect([first, rest, window.isWaiting]).toEqual([['0'], ['1', '2', '3'], true])
  ;(entries[4] as PendingMessage).over = true
  window.again(window.lose())
  window.dropOver()
  expect([send(window), window.isWaiting]).toEqual([['1', '2', '3'], true])
  for (const entry of entries) window.answered(entry)
  expect([send(window), window.isWaiting]).toEqual([['5'], false])
})

test('what is to be sent again goes in publish order, before what has never been sent', () => {
  const clock = new VirtualClock(0)
  const call = new PublishCall({ messages: 9, clock, withinMs: 100 })
  const window = new SendWindow<PendingMessage>({ messages: 1, bytes: 10 })
  const entries = ['a', 'b', 'c', 'd'].map((id, n) => ({ ...message(id, call), n }))
  const [a, b, c, d] = entries as [PendingMessage, PendingMessage, PendingMessage, PendingMessage]
  window.push(d)
  window.again([b])
  window.again([c, a])
  const order: string[] = []
  for (let entry = window.next(); entry; entry = window.next()) {
    window.shift()
    order.push(entry.id)
  }
  expect(order).toEqual(['a', 'b', 'c', 'd'])
})

import { afterEach, beforeEach, expect, test } from 'vitest'
import { messages, newPlace, type Place, take, until } from './fixtures/broker.ts'

let place: Place
beforeEach(() => {
  place = newPlace()
})
afterEach(() => place.remove())

const COUNT = 400
const LATE_MS = 500

// One that falls due between the look for what is due and the look for the next time must not wait until somebody looks again.
test('what falls due a millisecond apart comes a millisecond apart', async () => {
  const driver = await place.open()
  const { got, subscription } = await take(driver, { limit: 1_000 })
  await driver.publish(messages(COUNT))
  await until('all', () => got.length === COUNT)
  const first = got.splice(0)
  const due = new Map(first.map(({ message: { id } }, i) => [id, Date.now() + 200 + i]))
  const late: number[] = []
  const seen = setInterval(() => {
    for (const { message } of got.splice(0)) late.push(Date.now() - (due.get(message.id) ?? 0))
  }, 5)
  await subscription.settle(first.map((delivery, i) => ({ kind: 'retry', delivery, headers: {}, afterMs: 200 + i })))
  await until('all again', () => late.length === COUNT)
  clearInterval(seen)
  expect(Math.max(...late)).toBeLessThan(LATE_MS)
})

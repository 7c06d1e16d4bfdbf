import { expect, test } from 'vitest'
import { VirtualClock } from './virtual-clock.ts'

test('timers run in the order of their times, and those of one time in the order in which they were asked for', async () => {
  const clock = new VirtualClock(0)
  const ran: [string, number][] = []
  const at = (ms: number, name: string) => clock.after(ms, () => ran.push([name, clock.now()]))
  at(20, 'b')
  at(10, 'a1')
  const cancel = at(10, 'cancelled')
  at(10, 'a2')
  at(30, 'c')
  cancel()
  cancel()
  expect(clock.nextAt).toBe(10)
  await clock.advance(25)
  expect([ran, clock.now(), clock.nextAt]).toEqual([
    [
      ['a1', 10],
      ['a2', 10],
      ['b', 20],
    ],
    25,
    30,
  ])
})

test('what a timer asks for is run in its time, and time never goes back', async () => {
  const clock = new VirtualClock(0)
  const ran: number[] = []
  clock.after(10, () => clock.after(10, () => ran.push(clock.now())))
  await clock.advance(20)
  clock.jump(5)
  expect([ran, clock.now()]).toEqual([[20], 20])
  clock.after(-5, () => ran.push(clock.now()))
  clock.next()
  clock.next()
  expect(ran).toEqual([20, 20])
})

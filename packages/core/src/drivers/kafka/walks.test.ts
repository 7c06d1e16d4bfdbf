import { expect, test } from 'vitest'
import type { Clock } from '../../driver.ts'
import { compacted } from './fixtures/compacted.ts'
import { LetterLog } from './letter-log.ts'
import { Walks } from './walks.ts'

/** A clock whose timers fire when they are told to. */
function still(): { readonly clock: Clock; readonly fire: () => void; readonly armed: () => number } {
  const timers = new Set<() => void>()
  const after = (_ms: number, fn: () => void) => {
    timers.add(fn)
    return () => void timers.delete(fn)
  }
  const fire = () => {
    for (const fn of [...timers]) {
      timers.delete(fn)
      fn()
    }
  }
  return { clock: { now: () => 0, after }, fire, armed: () => timers.size }
}

const kept = (walks: Walks) => {
  const walk = walks.of()
  walk.logs.set('p', new LetterLog({ client: compacted().client, topic: 'p' }))
  walks.keep(walk)
  return walk
}

test('two walks through one place keep what they know of it apart, each until its end', () => {
  const walks = new Walks(still().clock)
  const [one, two] = [kept(walks), kept(walks)]
  expect(one.id).not.toBe(two.id)
  expect([walks.of(one.id), walks.of(two.id)]).toEqual([one, two])
  walks.end(one)
  expect([walks.of(one.id).logs.size, walks.of(two.id)]).toEqual([0, two])
})

test('of many walks the four that were asked last are known', () => {
  const { clock, armed } = still()
  const walks = new Walks(clock)
  const all = Array.from({ length: 4 }, () => kept(walks))
  walks.keep(all[0] as (typeof all)[number])
  const last = kept(walks)
  expect([...all, last].map(({ id }) => walks.of(id).logs.size)).toEqual([1, 0, 1, 1, 1])
  expect(armed()).toBe(4)
})

test('a walk that nobody goes on with is forgotten after a while, and all of them at the end', () => {
  const { clock, fire, armed } = still()
  const walks = new Walks(clock)
  const silent = kept(walks)
  fire()
  expect([walks.of(silent.id).logs.size, armed()]).toEqual([0, 0])
  kept(walks)
  walks.close()
  expect(armed()).toBe(0)
})

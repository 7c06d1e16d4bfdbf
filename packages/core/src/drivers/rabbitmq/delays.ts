import type { Delay } from '../../driver.ts'

/** Places of a jittered delay, as shares of its jitter. Two are enough that what failed together comes back apart, and each is a queue more. */
const SHARES = [0, 1]

/** The queues one delay needs, in ms. A delay of nothing needs none. */
export function placesOf({ afterMs, jitter }: Delay): readonly number[] {
  if (afterMs <= 0) return []
  const shares = jitter > 0 ? SHARES : [0]
  return [...new Set(shares.map((share) => Math.round(afterMs * (1 + jitter * share))))]
}

/**
 * The declared place for what is asked: never before its delay, and the nearest within its jitter. What nobody declared waits in the next
 * longer place, or the longest; undefined when there is none at all.
 */
export function placeFor(delays: readonly Delay[], afterMs: number): number | undefined {
  const shortestFirst = delays.filter((delay) => delay.afterMs > 0).sort((a, b) => a.afterMs - b.afterMs)
  const own = shortestFirst.findLast((delay) => delay.afterMs <= afterMs && afterMs <= Math.ceil(delay.afterMs * (1 + delay.jitter)))
  if (own) return placesOf(own).reduce((best, place) => (Math.abs(place - afterMs) < Math.abs(best - afterMs) ? place : best))
  const all = shortestFirst.flatMap(placesOf).sort((a, b) => a - b)
  return all.find((place) => place >= afterMs) ?? all.at(-1)
}

import type { PartitionsOf } from './protocol.ts'

/** As requests have them. */
export function grouped<T extends { readonly topic: string }>(places: readonly T[]): readonly PartitionsOf<T>[] {
  return [...Map.groupBy(places, ({ topic }) => topic)].map(([topic, partitions]) => ({ topic, partitions }))
}

export function shuffled<T>(all: readonly T[]): readonly T[] {
  const copy = [...all]
  for (let n = copy.length - 1; n > 0; n--) {
    const other = Math.floor(Math.random() * (n + 1))
    ;[copy[n], copy[other]] = [copy[other] as T, copy[n] as T]
  }
  return copy
}

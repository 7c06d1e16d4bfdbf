/** The same numbers for the same seed, from 0 up to 1: Park and Miller's generator. */
export function randomOf(seed: number): () => number {
  let state = (Math.abs(Math.floor(seed)) % 2_147_483_646) + 1
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return (state - 1) / 2_147_483_646
  }
}

export function oneOf<T>(random: () => number, things: readonly T[]): T {
  const one = things[Math.floor(random() * things.length)]
  if (one === undefined) throw new Error('nothing to choose from')
  return one
}

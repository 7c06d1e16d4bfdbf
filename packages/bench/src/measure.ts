/** One contestant of a comparison: does `messages` pieces of work and returns how long it took, in ms. Set-up is not counted. */
export interface Contestant {
  readonly name: string
  /** How much it does of the same work, when that is not as much as the others: a slow one in less time, one that has to be warm in more. */
  readonly messages?: number
  run(): Promise<number>
}

export interface Comparison {
  readonly name: string
  readonly messages: number
  readonly contestants: readonly Contestant[]
  /** `ours` against `other`: throughput of the first over the second, and what it should reach. */
  readonly targets: readonly { readonly ours: string; readonly other: string; readonly atLeast: number }[]
}

export interface Figure {
  readonly name: string
  readonly perSecond: number
  readonly microseconds: number
  readonly runs: readonly number[]
}

export interface Result {
  readonly name: string
  readonly figures: readonly Figure[]
  readonly ratios: readonly { readonly what: string; readonly ratio: number; readonly atLeast: number; readonly held: boolean }[]
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

export const quantile = (values: readonly number[], q: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.ceil(values.length * q) - 1)] as number

/**
 * Every round runs every contestant once, in turn from the first and from the last, so that a slow moment of the machine, and what one leaves behind for the
 * next, meets all of them. A first round warms up and is not counted.
 */
export async function compare({ name, messages, contestants, targets }: Comparison, rounds: number): Promise<Result> {
  const times = contestants.map((contestant) => ({
    name: contestant.name,
    run: contestant.run,
    messages: contestant.messages ?? messages,
    runs: [] as number[],
  }))
  for (let round = 0; round <= rounds; round++)
    for (const one of round % 2 === 0 ? times : times.toReversed()) {
      const ms = await one.run().catch((error: unknown) => {
        throw new Error(`${one.name} failed`, { cause: error })
      })
      if (round > 0) one.runs.push(ms)
    }
  const figures = times.map(({ name: contestant, messages: done, runs }) => ({
    name: contestant,
    perSecond: (done / median(runs)) * 1_000,
    microseconds: (median(runs) * 1_000) / done,
    runs: runs.map((ms) => Math.round((done / ms) * 1_000)),
  }))
  const rate = new Map(figures.map((figure) => [figure.name, figure.perSecond]))
  const ratios = targets.map(({ ours, other, atLeast }) => {
    const ratio = (rate.get(ours) ?? 0) / (rate.get(other) ?? 1)
    return { what: `${ours} : ${other}`, ratio, atLeast, held: ratio >= atLeast }
  })
  return { name, figures, ratios }
}

export function print({ name, figures, ratios }: Result): void {
  console.log(`\n${name}`)
  for (const { name: contestant, perSecond, microseconds, runs } of figures)
    console.log(
      `  ${contestant.padEnd(44)} ${Math.round(perSecond).toLocaleString('en').padStart(11)}/s  ${microseconds.toFixed(2).padStart(7)} us   [${Math.min(...runs)} - ${Math.max(...runs)}]`,
    )
  for (const { what, ratio, atLeast, held } of ratios)
    console.log(`  ${held ? 'held  ' : 'MISSED'} ${what.padEnd(60)} ${ratio.toFixed(2)} (at least ${atLeast})`)
}

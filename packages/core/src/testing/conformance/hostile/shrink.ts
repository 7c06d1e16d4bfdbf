import type { Odd } from './odd.ts'

export interface ShrinkOptions {
  /** Those that the findings name: most often they are enough. */
  readonly named: readonly Odd[]
  readonly isRed: (some: readonly Odd[]) => Promise<boolean>
  /** Most of the time of a failing case is spent on waiting for what does not happen. */
  readonly tries: number
}

/** The fewest messages, with the fewest headers, that it was still red with. */
export async function shrunk(all: readonly Odd[], { named, isRed, tries }: ShrinkOptions): Promise<readonly Odd[]> {
  let left = tries
  let smallest = all
  const still = async (some: readonly Odd[]) => {
    if (some.length === 0 || left-- <= 0 || !(await isRed(some))) return false
    smallest = some
    return true
  }
  if (named.length < all.length) await still(named)
  while (smallest.length > 1 && left > 0) {
    const half = Math.ceil(smallest.length / 2)
    if (!(await still(smallest.slice(0, half))) && !(await still(smallest.slice(half)))) break
  }
  for (const [i] of smallest.entries()) {
    const one = smallest[i] as Odd
    const with_ = (changed: Odd) => smallest.map((other, at) => (at === i ? changed : other))
    let { headers } = one
    for (const header of headers) {
      const fewer = headers.filter((other) => other !== header)
      if (await still(with_({ ...one, headers: fewer }))) headers = fewer
    }
  }
  return smallest
}

const SHOWN = 3
const SHOWN_CHARACTERS = 2_000

export function described(some: readonly Odd[]): string {
  const shown = some
    .slice(0, SHOWN)
    .map(({ body, ...rest }) => JSON.stringify({ ...rest, body: Buffer.from(body).toString('latin1') }, bytesAsText))
  const more = some.length > SHOWN ? [`and ${some.length - SHOWN} more`] : []
  return [...shown.map((text) => text.slice(0, SHOWN_CHARACTERS)), ...more].join('\n')
}

function bytesAsText(_: string, value: unknown): unknown {
  return value instanceof Uint8Array ? { bytes: Buffer.from(value).toString('base64') } : value
}

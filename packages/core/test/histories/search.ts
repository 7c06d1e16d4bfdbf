import fc from 'fast-check'
import { commands, StepCommand, setting } from './commands.ts'
import { Broken, play, type Step } from './history.ts'
import type { Setting } from './setting.ts'
import { inOrder } from './turns.ts'

/** A history that breaks a promise, as small as it was made. */
export interface Found {
  readonly fault: string
  /** How many histories it took. */
  readonly after: number
  readonly setting: Setting
  readonly steps: readonly Step[]
  readonly order: readonly number[]
}

/** Looks through so many histories of a seed. Resolves with nothing where all promises were kept. */
export async function search({ seed, histories }: { readonly seed: number; readonly histories: number }): Promise<Found | undefined> {
  let last: Omit<Found, 'after'> | undefined
  const all = fc.asyncProperty(setting, fc.scheduler(), commands, async (made, turns, steps) => {
    try {
      await play(made, turns, steps)
    } catch (thrown) {
      if (thrown instanceof Broken) last = { fault: thrown.message, setting: made, steps: thrown.steps, order: thrown.order }
      throw thrown
    }
  })
  const { failed, numRuns, errorInstance } = await fc.check(all, { seed, numRuns: histories })
  if (!failed) return undefined
  // The error is not one of a history, but of what plays it.
  if (!last) throw errorInstance
  return { ...(await shorter(last)), after: numRuns }
}

/** Plays what was printed. @throws Broken */
export async function replay(made: Setting, steps: readonly Step[], order: readonly number[] = []): Promise<void> {
  await play(
    made,
    inOrder(order),
    steps.map((step) => new StepCommand(step)),
  )
}

/** Shortens the order to as little as it takes: most faults need none, or only how it begins. */
async function shorter(found: Omit<Found, 'after'>): Promise<Omit<Found, 'after'>> {
  const faultWith = async (order: readonly number[]): Promise<string | undefined> => {
    try {
      await replay(found.setting, found.steps, order)
      return undefined
    } catch (thrown) {
      return (thrown as Error).message
    }
  }
  let [least, most] = [0, found.order.length]
  while (least < most) {
    const middle = (least + most) >> 1
    if ((await faultWith(found.order.slice(0, middle))) === undefined) least = middle + 1
    else most = middle
  }
  const order = found.order.slice(0, most)
  const fault = await faultWith(order)
  return fault === undefined ? found : { ...found, order, fault }
}

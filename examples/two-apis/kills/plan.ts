import { PROCESSES, type ProcessName } from '../demo/two-apis.ts'
import { oneOf, randomOf } from './random.ts'

export interface Kill {
  readonly who: ProcessName
  /**
   * `working`: once it works and has said so many more lines of its log, which is in the middle of something. `starting`: so many milliseconds after
   * it was started again, whatever it does by then.
   */
  readonly when: { readonly kind: 'working'; readonly lines: number } | { readonly kind: 'starting'; readonly afterMs: number }
}

const MOST_LINES = 40
const MOST_STARTING_MS = 1_500
/** A kill hits a process that has just been started again after another, once in so many times. */
const STARTING = 6

/** The same kills for the same seed. */
export function planOf({ seed, kills }: { readonly seed: number; readonly kills: number }): readonly Kill[] {
  const random = randomOf(seed)
  const plan: Kill[] = []
  while (plan.length < kills) {
    const last = plan.at(-1)
    if (last && last.when.kind === 'working' && random() < 1 / STARTING)
      plan.push({ who: last.who, when: { kind: 'starting', afterMs: Math.floor(random() * MOST_STARTING_MS) } })
    else plan.push({ who: oneOf(random, PROCESSES), when: { kind: 'working', lines: 1 + Math.floor(random() * MOST_LINES) } })
  }
  return plan
}

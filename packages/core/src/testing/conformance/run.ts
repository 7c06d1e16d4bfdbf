import type { ConformanceCase } from './case.ts'
import { conformanceCases } from './cases.ts'
import type { ConformanceTarget } from './target.ts'

/** What a test runner offers, in the one shape they all can be given. */
export interface Runner {
  readonly describe: (name: string, body: () => void) => void
  /** Those that are not `alone` may run at the same time, if the runner can. */
  readonly test: (name: string, run: () => Promise<void>, options: { readonly timeoutMs: number; readonly alone: boolean }) => void
  readonly skip: (name: string, reason: string) => void
}

export interface RunOptions {
  readonly cases?: readonly ConformanceCase[]
  /** Default: when COREBUS_SOAK is 1. */
  readonly soak?: boolean
}

/** Why `target` is not asked for this case; undefined when it is. */
export function whyNot(one: ConformanceCase, target: ConformanceTarget, soak: boolean): string | undefined {
  const exception = target.exceptions.find(({ name }) => name === one.name)
  if (exception) return `exception: ${exception.reason}`
  const needs = one.needs?.(target.capabilities, target)
  if (needs) return `does not apply: ${needs}`
  return one.soak && !soak ? 'only in a soak run (COREBUS_SOAK=1)' : undefined
}

/**
 * Declares the list with a test runner, section by section. An exception that names no case fails: it would excuse a case that was renamed.
 * @example
 * runConformance(target, {
 *   describe,
 *   test: (name, run, { timeoutMs, alone }) => (alone ? test : test.concurrent)(name, run, timeoutMs),
 *   skip: (name, reason) => test.skip(`${name} (${reason})`, () => {}),
 * })
 */
export function runConformance(
  target: ConformanceTarget,
  { describe, test, skip }: Runner,
  { cases = conformanceCases, soak = process.env.COREBUS_SOAK === '1' }: RunOptions = {},
): void {
  const stale = target.exceptions.filter(({ name }) => !conformanceCases.some((one) => one.name === name))
  if (stale.length > 0)
    throw new Error(`exceptions of ${target.name} that name no case: ${stale.map(({ name }) => `"${name}"`).join(', ')}`)

  const sections = Map.groupBy(cases, ({ section }) => section)
  for (const [section, ofSection] of sections)
    describe(`${target.name}: ${section}`, () => {
      for (const one of ofSection) {
        const reason = whyNot(one, target, soak)
        if (reason) skip(one.name, reason)
        else test(one.name, () => one.run(target), { timeoutMs: one.timeoutMs, alone: one.alone ?? false })
      }
    })
}

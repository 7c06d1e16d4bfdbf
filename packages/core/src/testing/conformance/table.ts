import type { ConformanceCase } from './case.ts'
import { conformanceCases } from './cases.ts'
import { whyNot } from './run.ts'
import type { ConformanceTarget } from './target.ts'

export type Result =
  | { readonly kind: 'held' }
  | { readonly kind: 'failed'; readonly error: Error }
  | { readonly kind: 'skipped'; readonly reason: string }

/** By the case's name, of one target. */
export type Results = ReadonlyMap<string, Result>

export interface ResultsOptions {
  readonly cases?: readonly ConformanceCase[]
  readonly soak?: boolean
  /** Cases at once, but for those that run alone, which come last. Default 1. */
  readonly atOnce?: number
  readonly onResult?: (one: ConformanceCase, result: Result) => void
}

/** Runs the list without a test runner, one case after another or some at once. */
export async function conformanceResults(
  target: ConformanceTarget,
  { cases = conformanceCases, soak = false, atOnce = 1, onResult = () => {} }: ResultsOptions = {},
): Promise<Results> {
  const results = new Map<string, Result>()
  const waiting = cases.filter(({ alone }) => !alone).values()
  // They share one iterator: whoever is done takes the next.
  const turn = async (from: Iterable<ConformanceCase>) => {
    for (const one of from) {
      const reason = whyNot(one, target, soak)
      const result: Result = reason ? { kind: 'skipped', reason } : await resultOf(one, target)
      results.set(one.name, result)
      onResult(one, result)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, () => turn(waiting)))
  await turn(cases.filter(({ alone }) => alone))
  return results
}

async function resultOf(one: ConformanceCase, target: ConformanceTarget): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`still running after ${one.timeoutMs} ms`)), one.timeoutMs)
  })
  try {
    await Promise.race([one.run(target), late])
    return { kind: 'held' }
  } catch (thrown) {
    return { kind: 'failed', error: thrown instanceof Error ? thrown : new Error(String(thrown)) }
  } finally {
    clearTimeout(timer)
  }
}

/** A Markdown table, a row per case and a column per target; what was skipped is explained below it. */
export function conformanceTable(targets: ReadonlyMap<string, Results>, cases: readonly ConformanceCase[] = conformanceCases): string {
  const names = [...targets.keys()]
  const notes: string[] = []
  const cell = (result: Result | undefined): string => {
    switch (result?.kind) {
      case undefined:
        return ''
      case 'held':
        return 'yes'
      case 'failed':
        return '**no**'
      case 'skipped':
        if (!notes.includes(result.reason)) notes.push(result.reason)
        return `- (${notes.indexOf(result.reason) + 1})`
    }
  }
  const lines = [`| behaviour | ${names.join(' | ')} |`, `|---|${names.map(() => '---|').join('')}`]
  for (const [section, ofSection] of Map.groupBy(cases, (one) => one.section)) {
    lines.push(`| **${section}** |${names.map(() => ' |').join('')}`)
    for (const { name } of ofSection) {
      const cells = names.map((target) => cell(targets.get(target)?.get(name)))
      lines.push(`| ${name.replaceAll('|', '\\|')} | ${cells.join(' | ')} |`)
    }
  }
  return [...lines, '', ...notes.map((note, i) => `${i + 1}. ${note}`), ''].join('\n')
}

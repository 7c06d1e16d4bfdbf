import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { median } from './measure.ts'

const TIMES = 20

interface Took {
  readonly testAppMs: number
  readonly cascadeMs: number
}

/** Measures what tests cost with the test kit, in ms; medians of processes of their own. */
export function testKit(): object {
  const runs = Array.from({ length: TIMES }, () => {
    const said = execFileSync(process.execPath, [join(import.meta.dirname, 'starts/test-kit.js')], { encoding: 'utf8' })
    return JSON.parse(said) as { readonly importMs: number; readonly first: Took; readonly next: readonly Took[] }
  })
  const of = (took: (run: (typeof runs)[number]) => number): number => Math.round(median(runs.map(took)) * 10) / 10
  return {
    importMs: of(({ importMs }) => importMs),
    firstTestAppMs: of(({ first }) => first.testAppMs),
    firstCascadeMs: of(({ first }) => first.cascadeMs),
    testAppMs: of(({ next }) => median(next.map(({ testAppMs }) => testAppMs))),
    cascadeMs: of(({ next }) => median(next.map(({ cascadeMs }) => cascadeMs))),
  }
}

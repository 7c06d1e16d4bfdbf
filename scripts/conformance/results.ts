import { conformanceCases } from '../../packages/core/src/testing/conformance/cases.ts'
import type { Result, Results } from '../../packages/core/src/testing/conformance/table.ts'

/** What is read of Vitest's JSON report. */
export interface Report {
  readonly testResults: readonly { readonly assertionResults: readonly Assertion[] }[]
}

export interface Assertion {
  readonly ancestorTitles: readonly string[]
  readonly title: string
  readonly status: string
  readonly failureMessages?: readonly string[]
}

/** By broker, in the order of `names`: what each case of the list came to. A case that ran nowhere is not there. */
export function resultsIn(reports: readonly Report[], names: readonly string[]): ReadonlyMap<string, Results> {
  const found = new Map(names.map((name) => [name, new Map<string, Result>()]))
  for (const { ancestorTitles, ...assertion } of reports.flatMap(({ testResults }) =>
    testResults.flatMap((file) => file.assertionResults),
  )) {
    const [name = '', section = ''] = ancestorTitles[0]?.split(': ') ?? []
    const one = conformanceCases.find((known) => known.section === section && named(assertion.title, known.name))
    const results = found.get(name)
    // Run twice, by a broker that may be stopped too: what was skipped once and held once is held.
    if (one && results && results.get(one.name)?.kind !== 'held') results.set(one.name, resultOf(assertion, one.name))
  }
  return new Map([...found].filter(([, results]) => results.size > 0))
}

/** One that is skipped has its reason behind its name. */
function named(title: string, name: string): boolean {
  return title === name || (title.startsWith(`${name} (`) && title.endsWith(')'))
}

function resultOf({ title, status, failureMessages = [] }: Omit<Assertion, 'ancestorTitles'>, name: string): Result {
  if (status === 'passed') return { kind: 'held' }
  if (status === 'failed') return { kind: 'failed', error: new Error(failureMessages.join('\n')) }
  return { kind: 'skipped', reason: title.slice(name.length + 2, -1) || 'not run' }
}

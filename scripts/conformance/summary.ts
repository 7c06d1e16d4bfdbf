import { conformanceCases } from '../../packages/core/src/testing/conformance/cases.ts'
import type { Results } from '../../packages/core/src/testing/conformance/table.ts'

const BEGIN = '<!-- conformance: npm run conformance writes this -->'
const END = '<!-- /conformance -->'
const SOAK = 'only in a soak run'
/** What a broker should hold and does not. */
const EXCEPTION = 'exception: '

/** One line: how many cases hold on each broker, and apart from one another how many do not hold and do not apply. */
export function line(targets: ReadonlyMap<string, Results>): string {
  const parts = [...targets].map(([name, results]) => {
    const asked = [...results.values()].filter((one) => one.kind !== 'skipped' || !one.reason.startsWith(SOAK))
    const count = (matches: (result: (typeof asked)[number]) => boolean) => asked.filter(matches).length
    const apart = [
      [count((one) => one.kind === 'skipped' && one.reason.startsWith(EXCEPTION)) + count(({ kind }) => kind === 'failed'), 'not hold'],
      [count((one) => one.kind === 'skipped' && !one.reason.startsWith(EXCEPTION)), 'not apply'],
    ] as const
    const others = apart.flatMap(([n, what]) => (n > 0 ? [`${n} ${n === 1 ? 'does' : 'do'} ${what}`] : []))
    return `${name} ${count(({ kind }) => kind === 'held')}${others.length > 0 ? ` (${others.join(', ')})` : ''}`
  })
  return `Cases that hold: ${parts.join('; ')}.`
}

/** A Markdown table, a row per section and a column per broker: how many of its cases hold, and below it why the others do not. */
export function summary(targets: ReadonlyMap<string, Results>): string {
  const notes: string[] = []
  const names = [...targets.keys()]
  const rows = [...Map.groupBy(conformanceCases, ({ section }) => section)].map(([section, cases]) => {
    const cells = names.map((name) => {
      const results = cases.flatMap((one) => targets.get(name)?.get(one.name) ?? [])
      const asked = results.filter((one) => one.kind !== 'skipped' || !one.reason.startsWith(SOAK))
      const held = asked.filter(({ kind }) => kind === 'held').length
      const failed = asked.some(({ kind }) => kind === 'failed')
      const reasons = new Set(asked.flatMap((one) => (one.kind === 'skipped' ? [one.reason] : [])))
      for (const reason of reasons) if (!notes.includes(reason)) notes.push(reason)
      const marks = [...reasons].map((reason) => notes.indexOf(reason) + 1)
      const count = held === asked.length ? `${held}` : `${held} of ${asked.length}${marks.length > 0 ? ` (${marks.join(', ')})` : ''}`
      return failed ? `**${count}**` : count
    })
    return `| ${section} | ${cells.join(' | ')} |`
  })
  const head = [`| promises, cases that hold | ${names.join(' | ')} |`, `| --- |${names.map(() => ' --- |').join('')}`]
  return [...head, ...rows, '', ...notes.map((note, i) => `${i + 1}. ${note}`)].join('\n')
}

/** The page with `table` between its marks. @throws when they are not there. */
export function between(page: string, table: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (begin < 0 || end < begin) throw new Error(`a page has no ${BEGIN} ... ${END}`)
  return `${page.slice(0, begin + BEGIN.length)}\n\n${table.trim()}\n\n${page.slice(end)}`
}

import { expect, test } from 'vitest'
import { conformanceCases } from '../../packages/core/src/testing/conformance/cases.ts'
import { type Assertion, resultsIn } from './results.ts'
import { between, line, summary } from './summary.ts'

const [section = ''] = conformanceCases.map((one) => one.section)
const cases = conformanceCases.filter((one) => one.section === section)
const ran = (broker: string, title: string, status: string): Assertion => ({ ancestorTitles: [`${broker}: ${section}`], title, status })
const report = (assertionResults: readonly Assertion[]) => ({ testResults: [{ assertionResults }] })
const all = (broker: string) => cases.map(({ name }) => ran(broker, name, 'passed'))

test('what Vitest reports is counted by section and broker, with the reasons of what does not hold', () => {
  const [first, second, third] = cases
  const paper = [
    ...all('paper').slice(3),
    ran('paper', `${first?.name} (does not apply: it is (mostly) paper)`, 'pending'),
    ran('paper', `${second?.name} (only in a soak run (COREBUS_SOAK=1))`, 'pending'),
    ran('paper', third?.name ?? '', 'failed'),
  ]
  const table = summary(resultsIn([report(all('stone')), report(paper)], ['stone', 'paper', 'absent']))
  const count = cases.length
  expect(table.split('\n')).toContain(`| ${section} | ${count} | **${count - 3} of ${count - 1} (1)** |`)
  expect(table).toContain('| promises, cases that hold | stone | paper |')
  expect(table).toMatch(/^1\. does not apply: it is \(mostly\) paper$/m)
  expect(table).not.toContain('soak')
})

test('one line says what holds, and what does not hold apart from what does not apply', () => {
  const [first, second, third] = cases
  const paper = [
    ...all('paper').slice(3),
    ran('paper', `${first?.name} (does not apply: it is paper)`, 'pending'),
    ran('paper', `${second?.name} (exception: it tears)`, 'pending'),
    ran('paper', third?.name ?? '', 'failed'),
  ]
  const results = resultsIn([report(all('stone')), report(paper)], ['stone', 'paper'])
  expect(line(results)).toBe(`Cases that hold: stone ${cases.length}; paper ${cases.length - 3} (2 do not hold, 1 does not apply).`)
})

test('what another broker of the kind held counts', () => {
  const { name } = cases[0] ?? { name: '' }
  const skipped = report([ran('stone', `${name} (does not apply: not ours)`, 'pending')])
  for (const reports of [
    [skipped, report(all('stone'))],
    [report(all('stone')), skipped],
  ])
    expect(resultsIn(reports, ['stone']).get('stone')?.get(name)).toEqual({ kind: 'held' })
})

test('a table goes between its marks, and a page without them is an error', () => {
  const page = 'a\n<!-- conformance: npm run conformance writes this -->\nold\n<!-- /conformance -->\nb\n'
  const written = between(page, '| new |')
  expect(written).toBe('a\n<!-- conformance: npm run conformance writes this -->\n\n| new |\n\n<!-- /conformance -->\nb\n')
  expect(between(written, '| new |')).toBe(written)
  expect(() => between('a', 'b')).toThrow('has no')
})

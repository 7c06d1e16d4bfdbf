// npm run conformance -- REPORT.json...          writes what the runs held into README.md and docs/reference/conformance.md
// npm run conformance -- --check REPORT.json...  changes nothing and fails when they say otherwise
// The reports are Vitest's: --reporter=json --outputFile.json=REPORT.json
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { conformanceTable } from '../packages/core/src/testing/conformance/table.ts'
import { type Report, resultsIn } from './conformance/results.ts'
import { between, line, summary } from './conformance/summary.ts'

const ROOT = join(import.meta.dirname, '..')
const BROKERS = ['memory', 'sqlite', 'kafka', 'rabbitmq', 'redis']

const { values, positionals } = parseArgs({ options: { check: { type: 'boolean', default: false } }, allowPositionals: true })
const reports = positionals.map((file): Report => JSON.parse(readFileSync(file, 'utf8')))
const results = resultsIn(reports, BROKERS)
const lacking = BROKERS.filter((name) => !results.has(name))
if (lacking.length > 0)
  throw new Error(`the reports have no conformance run of ${lacking.join(', ')}: give those of npm test and of npm run test:broker`)

const pages = {
  'README.md': line(results),
  'docs/reference/conformance.md': `${summary(results)}\n\n## Case by case\n\n${conformanceTable(results)}`,
}
const stale = Object.entries(pages).filter(([page, table]) => {
  const path = join(ROOT, page)
  const before = readFileSync(path, 'utf8')
  const after = between(before, table)
  if (before !== after && !values.check) writeFileSync(path, after)
  return before !== after
})
for (const [page] of stale)
  console.log(values.check ? `${page} does not say what this run held: npm run conformance -- REPORT.json...` : `${page} written`)
if (values.check && stale.length > 0) process.exitCode = 1

import { parseArgs } from 'node:util'
import { latency } from './latency.ts'
import { type Comparison, compare, print, type Result } from './measure.ts'
import { runtime } from './runtime.ts'
import { backlog, consume, publish } from './sqlite.ts'

const HELP = `Measures Corebus against bare libraries and peers: every round runs every contestant once, medians count.

  npm run bench                       everything (about 5 minutes)
  npm run bench -- runtime sqlite     some of it: runtime, sqlite, backlog, latency
  npm run bench -- --rounds 5 --json  more rounds; one JSON document instead of tables`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '3' }, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
})
if (values.help) {
  console.log(HELP)
  process.exit(0)
}

const SIZES = [200, 1_024]
const suites: Record<string, () => Promise<readonly Comparison[]>> = {
  runtime: async () => Promise.all(SIZES.map((bytes) => runtime(bytes, 20_000))),
  sqlite: async () => SIZES.flatMap((bytes) => [publish(bytes, 20_000), consume(bytes, 20_000)]),
  backlog: async () => SIZES.map((bytes) => backlog(bytes)),
}

const wanted = positionals.length > 0 ? positionals : [...Object.keys(suites), 'latency']
const unknown = wanted.filter((name) => name !== 'latency' && !(name in suites))
if (unknown.length > 0) {
  console.error(`no suite ${unknown.join(', ')}; there are: ${Object.keys(suites).join(', ')}, latency`)
  process.exit(2)
}

const results: Result[] = []
for (const [name, comparisons] of Object.entries(suites)) {
  if (!wanted.includes(name)) continue
  for (const comparison of await comparisons()) {
    const result = await compare(comparison, Number(values.rounds))
    results.push(result)
    if (!values.json) print(result)
  }
}
const measured = wanted.includes('latency') ? await latency() : undefined
if (values.json)
  console.log(JSON.stringify({ node: process.version, rounds: Number(values.rounds), results, latency: measured }, undefined, 2))
else if (measured) console.log('\nSQLite: single publishes to an idle consumer process, its CPU, its heap\n', measured)
// Nest keeps timers; everything of ours is closed.
process.exit(0)

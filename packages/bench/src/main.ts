import { parseArgs } from 'node:util'
import { broker } from '@corebus/testbed'
import { inFile, latency } from './latency.ts'
import { type Comparison, compare, print, type Result } from './measure.ts'
import { comparisons as rabbitmq } from './rabbitmq/comparisons.ts'
import { firstMessage } from './rabbitmq/first-message.ts'
import { latency as besideBare } from './rabbitmq/latency.ts'
import { runtime } from './runtime.ts'
import { backlog, consume, publish } from './sqlite.ts'

const HELP = `Measures Corebus against bare libraries and peers: every round runs every contestant once, medians count.

  npm run bench                       everything (about 15 minutes)
  npm run bench -- runtime sqlite     some of it: runtime, sqlite, backlog, latency, rabbitmq, rabbitmq-latency
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
/** Contestants against each other, by throughput. */
const suites: Record<string, () => Promise<readonly Comparison[]>> = {
  runtime: async () => Promise.all(SIZES.map((bytes) => runtime(bytes, 20_000))),
  sqlite: async () => SIZES.flatMap((bytes) => [publish(bytes, 20_000), consume(bytes, 20_000)]),
  backlog: async () => SIZES.map((bytes) => backlog(bytes)),
  rabbitmq: async () => rabbitmq(await rabbitmqUrl(), SIZES),
}
/** Single messages, and a process at rest. */
const measurements: Record<string, () => Promise<object>> = {
  latency: inFile,
  'rabbitmq-latency': async () => {
    const url = await rabbitmqUrl()
    return {
      firstMessage: await firstMessage(url),
      publishToHandler: await besideBare(url),
      ...(await latency({ broker: 'rabbitmq', url })),
    }
  },
}

/** A node of its own, ended with this process. */
let node: ReturnType<typeof broker> | undefined
async function rabbitmqUrl(): Promise<string> {
  node ??= broker('rabbitmq', { own: true })
  const started = await node
  if (started) return started.url
  process.exit(2)
}

const names = [...Object.keys(suites), ...Object.keys(measurements)]
const wanted = positionals.length > 0 ? positionals : names
const unknown = wanted.filter((name) => !names.includes(name))
if (unknown.length > 0) {
  console.error(`no suite ${unknown.join(', ')}; there are: ${names.join(', ')}`)
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
const measured: Record<string, object> = {}
for (const [name, measure] of Object.entries(measurements)) {
  if (!wanted.includes(name)) continue
  measured[name] = await measure()
  if (!values.json) console.log(`\n${name}\n`, measured[name])
}
if (values.json) console.log(JSON.stringify({ node: process.version, rounds: Number(values.rounds), results, measured }, undefined, 2))
await (await node)?.stop()
// Nest keeps timers; everything of ours is closed.
process.exit(0)

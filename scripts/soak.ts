// The long runs, done before an issue is resolved: the conformance list ten times in a row, ten at a time, its long cases, chaos, and every
// suite on a machine that is busy with something else, the apps outside of the repository, the examples with their processes killed, and outbox and
// inbox on every database with every broker. What came out is kept in docs/soak/.
// Usage: npm run soak [-- row parallel long chaos load apps kills sql-chaos ecommerce rebuild] [--times N] [--broker rabbitmq] [--seeds 11,12,13] [--only minute,heartbeat]
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { SOAK_SEEDS } from '../packages/core/src/testing/conformance/chaos.ts'
import { appsOn } from './soak/apps.ts'
import { chaosOn } from './soak/chaos.ts'
import { ecommerceOn } from './soak/ecommerce.ts'
import { killsOn } from './soak/kills.ts'
import { busy, PATIENCE } from './soak/load.ts'
import { rebuildsOn } from './soak/rebuild.ts'
import { sqlChaosOn } from './soak/sql-chaos.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    times: { type: 'string' },
    broker: { type: 'string' },
    seeds: { type: 'string', default: SOAK_SEEDS.join(',') },
    only: { type: 'string' },
  },
})
const seeds = values.seeds.split(',').map(Number)
const { broker } = values
const only = values.only?.split(',')
const times = Number(values.times ?? 10)
const kills = Number(values.times ?? 200)
const root = join(import.meta.dirname, '..')
const folder = mkdtempSync(join(tmpdir(), 'corebus-soak-'))

interface Run {
  readonly seconds: number
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly failures: readonly string[]
  /** The files with a failure. */
  readonly red: readonly string[]
}

interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly assertionResults: readonly {
      readonly status: string
      readonly fullName: string
      readonly failureMessages: readonly string[]
    }[]
  }[]
}

let runs = 0

/** Of a broker with a server, and of several of them (kafka-cluster), or of those without; `all` that is tried there, or the list alone. */
function tests({ all = false } = {}): { readonly what: readonly string[]; readonly env: Record<string, string> } {
  if (broker === undefined) return { what: ['--project', 'unit', 'conformance'], env: {} }
  const name = broker.replace(/-cluster$/, '')
  const what = ['--project', 'broker', all ? `drivers/${name}/` : `drivers/${name}/${name}.broker`]
  return { what, env: name === broker ? {} : { COREBUS_BROKERS: '3' } }
}

async function conformance({ what, env } = tests()): Promise<Run> {
  const startedAt = Date.now()
  const report = join(folder, `run-${++runs}.json`)
  const args = ['run', ...what, '--reporter=json', `--outputFile.json=${report}`]
  const vitest = spawn(join(root, 'node_modules/.bin/vitest'), args, { cwd: root, env: { ...process.env, ...env }, stdio: 'ignore' })
  await new Promise((resolve) => vitest.once('exit', resolve))
  const { numPassedTests, numFailedTests, numPendingTests, testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report
  const failures = testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status === 'failed')
    .map(({ fullName, failureMessages }) => `${fullName}: ${failureMessages[0]?.split('\n')[0]}`)
  return {
    seconds: Math.round((Date.now() - startedAt) / 1_000),
    passed: numPassedTests,
    failed: numFailedTests,
    skipped: numPendingTests,
    failures,
    red: testResults.filter(({ status }) => status === 'failed').map(({ name }) => relative(root, name)),
  }
}

/** Lines for its report, and how many of them tell of something that went wrong. */
interface Done {
  readonly lines: readonly string[]
  readonly failed: number
}

const list = `the conformance list on ${broker ?? 'memory and sqlite'}`

const suites: Record<string, { title: string; run: () => Promise<Done> }> = {
  row: {
    title: `${list}, ${times} times in a row`,
    async run() {
      const runs: Run[] = []
      for (let i = 0; i < times; i++) {
        const run = await conformance()
        console.log(line(run, i))
        runs.push(run)
      }
      return doneWith(runs)
    },
  },
  parallel: {
    title: `${list}, ${times} at a time`,
    run: async () => doneWith(await Promise.all(Array.from({ length: times }, () => conformance()))),
  },
  long: {
    title: `${list} with its long cases`,
    async run() {
      const { what, env } = tests({ all: true })
      return doneWith([await conformance({ what, env: { ...env, COREBUS_SOAK: '1' } })])
    },
  },
  chaos: {
    title: `chaos on ${broker}: a minute with each seed, and with each safeguard taken out`,
    async run() {
      if (broker === undefined) throw new Error('chaos on which broker? --broker rabbitmq')
      const lines = await chaosOn(broker, { seeds, ...(only !== undefined && { only }), onLine: ({ text }) => console.log(text) })
      return { lines: lines.map(({ text }) => text), failed: lines.filter(({ failed }) => failed).length }
    },
  },
  apps: {
    title: 'apps outside of the repository, with the packed packages',
    async run() {
      const lines = await appsOn({ ...(only !== undefined && { only }), onLine: ({ text }) => console.log(text) })
      return { lines: lines.map(({ text }) => text), failed: lines.filter(({ failed }) => failed).length }
    },
  },
  kills: {
    title: `the two APIs on ${broker ?? 'sqlite'}, processes killed ${kills} times with each seed`,
    async run() {
      const lines = await killsOn({ broker, seeds, kills, onLine: ({ text }) => console.log(text) })
      return { lines: lines.map(({ text }) => text), failed: lines.filter(({ failed }) => failed).length }
    },
  },
  ecommerce: {
    title: 'the e-commerce under load, processes killed 25 times among 5,000 orders, on every broker with a database',
    async run() {
      const lines = await ecommerceOn({ seeds, ...(only !== undefined && { only }), onLine: ({ text }) => console.log(text) })
      return { lines: lines.map(({ text }) => text), failed: lines.filter(({ failed }) => failed).length }
    },
  },
  rebuild: {
    title: 'a read model of 100,000 orders made anew while 100 a second arrive, on SQLite and PostgreSQL',
    async run() {
      const lines = await rebuildsOn()
      return { lines: lines.map(({ text }) => text), failed: lines.filter(({ failed }) => failed).length }
    },
  },
  'sql-chaos': {
    title: 'outbox and inbox: a minute of chaos on each database with each broker, and with each safeguard taken out',
    async run() {
      const lines = await sqlChaosOn({ seeds, ...(only !== undefined && { only }), onLine: ({ text }) => console.log(text) })
      return { lines: lines.map(({ text }) => text), failed: lines.filter(({ failed }) => failed).length }
    },
  },
  load: {
    title: 'every suite on a machine that is busy with something else',
    async run() {
      const lines: string[] = []
      const told = (text: string) => {
        console.log(text)
        lines.push(text)
      }
      const red = new Map<string, string>()
      const suites = [...Array.from({ length: Number(values.times ?? 3) }, () => 'unit'), 'broker'].filter(
        (suite) => only?.includes(suite) ?? true,
      )
      let failed = 0
      const rest = busy()
      try {
        for (const suite of suites) {
          const run = await conformance({ what: ['--project', suite], env: { COREBUS_PATIENCE: `${PATIENCE}` } })
          failed += Math.max(run.failed, run.red.length)
          for (const file of run.red) red.set(file, suite)
          told(line(run, lines.length))
        }
      } finally {
        rest()
      }
      for (const [file, suite] of red) {
        const alone: Run[] = []
        for (let i = 0; i < 10; i++) alone.push(await conformance({ what: ['--project', suite, file], env: {} }))
        const green = alone.filter(({ red }) => red.length === 0).length
        told([`alone, ${file}: ${green} of ${alone.length} green`, ...alone.flatMap(({ failures }) => failures)].join('\n  '))
      }
      return { lines, failed }
    },
  },
}
/** Those that need no server. */
const USUAL = ['row', 'parallel', 'long']
const TELLS_AS_IT_GOES = ['row', 'chaos', 'load', 'apps', 'kills', 'sql-chaos', 'ecommerce']
const HAS_NO_TIMES = ['apps', 'chaos', 'sql-chaos', 'ecommerce', 'rebuild']
const HAS_SEEDS = ['chaos', 'kills', 'sql-chaos', 'ecommerce']
const NO_CONFORMANCE = ['chaos', 'load', 'apps', 'kills', 'sql-chaos', 'ecommerce', 'rebuild']

function doneWith(runs: readonly Run[]): Done {
  return { lines: runs.map(line), failed: runs.reduce((sum, run) => sum + run.failed, 0) }
}

function line({ seconds, passed, failed, skipped, failures }: Run, i: number): string {
  return [
    `run ${i + 1}: ${passed} passed, ${failed} failed, ${skipped} skipped, ${seconds} s`,
    ...failures.map((failure) => `  ${failure}`),
  ].join('\n')
}

const wanted = positionals.length > 0 ? positionals : USUAL
let failed = 0
try {
  mkdirSync(join(root, 'docs/soak'), { recursive: true })
  for (const name of wanted) {
    const suite = suites[name]
    if (!suite) throw new Error(`no suite ${name}; there are: ${Object.keys(suites).join(', ')}`)
    console.log(`\n${suite.title}`)
    const done = await suite.run()
    failed += done.failed
    const machine = `${cpus().length} cores (${cpus()[0]?.model}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`
    const command = [
      'npm run soak --',
      name,
      ...(HAS_SEEDS.includes(name) ? ['--seeds', seeds] : []),
      ...(HAS_NO_TIMES.includes(name) || (name === 'load' && values.times === undefined)
        ? []
        : ['--times', name === 'kills' ? kills : times]),
      ...(only && NO_CONFORMANCE.includes(name) ? ['--only', only] : []),
      ...(broker === undefined ? [] : ['--broker', broker]),
    ]
    const text = [`# ${suite.title}`, '', `${new Date().toISOString().slice(0, 16)}Z, ${machine}`, command.join(' '), '', ...done.lines, '']
    const file = [...(NO_CONFORMANCE.includes(name) ? [] : ['conformance']), name, ...(broker === undefined ? [] : [broker])].join('-')
    writeFileSync(join(root, 'docs/soak', `${file}.txt`), text.join('\n'))
    if (!TELLS_AS_IT_GOES.includes(name)) console.log(done.lines.join('\n'))
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exit(failed > 0 ? 1 : 0)

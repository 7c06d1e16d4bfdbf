import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { median } from './measure.ts'

const TIMES = 20

/** The folder of a core that is built: this repository's, and one to compare it with. */
type Core = string

const OURS: Core = resolve(import.meta.dirname, '../../core')

/** One thing that a process does when it starts. Returns the ms that counts. */
interface Start {
  readonly name: string
  run(core: Core, cache: string): number
}

const imported = (name: string, ...modules: readonly string[]): Start => ({
  name,
  run: (core) => importMs(core, `${modules.map((module) => `await import('${module}')`).join('; ')}`),
})

const required = (name: string, module: string): Start => ({
  name,
  run: (core) => Number(node(core, ['-e', timed(`require('${module}')`)])),
})

const STARTS: readonly Start[] = [
  imported("import 'zod'", 'zod'),
  imported("import 'zod' and '@corebus/core/events'", 'zod', '@corebus/core/events'),
  imported("import '@corebus/core/events'", '@corebus/core/events'),
  imported("import '@corebus/core'", '@corebus/core'),
  imported("import 'zod' and '@corebus/core'", 'zod', '@corebus/core'),
  required("require('@corebus/core')", '@corebus/core'),
  {
    name: 'import and createMessaging, with its own logger',
    run: (core) =>
      importMs(
        core,
        "const { createMessaging } = await import('@corebus/core'); createMessaging({ broker: 'memory', service: 's', env: {} })",
      ),
  },
  { name: 'node, nothing else: the whole process', run: (core) => processMs(core, ['-e', '0'], {}) },
  {
    name: 'the help of the command: the whole process',
    run: (core, cache) => processMs(core, ['bin/core.js', '--help'], { NODE_COMPILE_CACHE: cache }),
  },
  {
    name: 'the same without a compile cache',
    run: (core) => processMs(core, ['bin/core.js', '--help'], { NODE_DISABLE_COMPILE_CACHE: '1' }),
  },
  {
    name: 'a consumer without handlers, to its error: the whole process',
    run: (core, cache) => processMs(core, ['bin/core.js', 'consumer', 'dist/index.js'], { NODE_COMPILE_CACHE: cache, ...CONSUMER }),
  },
]

const CONSUMER = { MESSAGING_BROKER: 'memory', SERVICE_NAME: 's', LOG_LEVEL: 'silent' }

/** Ms of what processes do at their start; medians. With `against`, the folder of another built core, both take turns. */
export function startUp(against?: Core): Record<string, object> {
  const cores: readonly (readonly [string, Core])[] = [...(against ? [['before', resolve(against)] as const] : []), ['now', OURS]]
  const runs = new Map<string, number[]>()
  const caches = new Map(cores.map(([name]) => [name, mkdtempSync(join(tmpdir(), 'corebus-cache-'))]))
  // The first round fills the caches, and is not counted.
  for (let n = 0; n <= TIMES; n++)
    for (const { name, run } of STARTS)
      for (const [which, core] of cores) {
        const ms = run(core, caches.get(which) ?? '')
        if (n > 0) runs.set(`${name}/${which}`, [...(runs.get(`${name}/${which}`) ?? []), ms])
      }
  for (const cache of caches.values()) rmSync(cache, { recursive: true, force: true })
  const told = (name: string, which: string) => {
    const ms = runs.get(`${name}/${which}`) ?? []
    return { medianMs: round(median(ms)), leastMs: round(Math.min(...ms)) }
  }
  return Object.fromEntries(STARTS.map(({ name }) => [name, Object.fromEntries(cores.map(([which]) => [which, told(name, which)]))]))
}

const round = (ms: number): number => Math.round(ms * 10) / 10

const timed = (code: string): string => `const begun = performance.now(); ${code}; process.stdout.write(String(performance.now() - begun))`

function importMs(core: Core, code: string): number {
  return Number(node(core, ['--input-type=module', '-e', timed(code)]))
}

/** From before its start to after its end, whatever it answers. */
function processMs(core: Core, args: readonly string[], env: Readonly<Record<string, string>>): number {
  const begun = performance.now()
  try {
    node(core, args, env)
  } catch {
    // A consumer without handlers answers with an error.
  }
  return performance.now() - begun
}

function node(core: Core, args: readonly string[], env: Readonly<Record<string, string>> = {}): string {
  const { PATH, HOME } = process.env
  return execFileSync(process.execPath, args, {
    cwd: core,
    env: { PATH, HOME, ...env },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
}

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { median } from './measure.ts'

const TIMES = 20

/** The folder of a core that is built: this repository's, and one to compare it with. */
type Core = string

const OURS: Core = resolve(import.meta.dirname, '../../core')
const CPU = join(import.meta.dirname, 'starts/cpu.cjs')

interface Took {
  readonly ms: number
  /** Processor time: it grows less than `ms` where other work runs beside. */
  readonly cpuMs: number
}

/** A start is one thing that a process does first, such as an import or a command. */
interface Start {
  readonly name: string
  run(core: Core, cache: string): Took
}

const imported = (name: string, ...modules: readonly string[]): Start => ({
  name,
  run: (core) => timed(core, '--input-type=module', modules.map((module) => `await import('${module}')`).join('; ')),
})

const CONSUMER = { MESSAGING_BROKER: 'memory', SERVICE_NAME: 's', LOG_LEVEL: 'silent' }
const MAKE =
  "const { createMessaging } = await import('@corebus/core'); createMessaging({ broker: 'memory', service: 's', env: { LOG_LEVEL: 'silent' } })"

const STARTS: readonly Start[] = [
  imported("import 'zod'", 'zod'),
  imported("import 'zod' and '@corebus/core/events'", 'zod', '@corebus/core/events'),
  imported("import '@corebus/core/events'", '@corebus/core/events'),
  imported("import '@corebus/core'", '@corebus/core'),
  imported("import 'zod' and '@corebus/core'", 'zod', '@corebus/core'),
  { name: "require('@corebus/core')", run: (core) => timed(core, '--input-type=commonjs', "require('@corebus/core')") },
  { name: 'import and createMessaging, with its logger', run: (core) => timed(core, '--input-type=module', MAKE) },
  { name: 'node, nothing else', run: (core) => whole(core, ['-e', '0'], {}) },
  { name: 'core --help', run: (core, cache) => whole(core, ['bin/core.js', '--help'], { NODE_COMPILE_CACHE: cache }) },
  { name: 'core --help, no cache', run: (core) => whole(core, ['bin/core.js', '--help'], { NODE_DISABLE_COMPILE_CACHE: '1' }) },
  {
    name: 'a consumer without handlers, to its error',
    run: (core, cache) => whole(core, ['bin/core.js', 'consumer', 'dist/index.js'], { NODE_COMPILE_CACHE: cache, ...CONSUMER }),
  },
]

/** What processes take for their start; medians. With `checkout`, the folder of another one that is built, both take turns. */
export function startUp(checkout?: string): Record<string, object> {
  const cores = new Map<string, Core>([...(checkout ? [['before', resolve(checkout, 'packages/core')] as const] : []), ['now', OURS]])
  const caches = new Map([...cores.keys()].map((which) => [which, mkdtempSync(join(tmpdir(), 'corebus-cache-'))]))
  const runs = new Map<string, Took[]>()
  // The first round fills the caches, and is not counted.
  for (let n = 0; n <= TIMES; n++)
    for (const { name, run } of STARTS)
      for (const [which, core] of cores) {
        const took = run(core, caches.get(which) ?? '')
        const key = `${name}/${which}`
        if (n > 0) runs.set(key, [...(runs.get(key) ?? []), took])
      }
  for (const cache of caches.values()) rmSync(cache, { recursive: true, force: true })
  const told = (key: string) => {
    const all = runs.get(key) ?? []
    return { ms: round(median(all.map(({ ms }) => ms))), cpuMs: round(median(all.map(({ cpuMs }) => cpuMs))) }
  }
  return Object.fromEntries(
    STARTS.map(({ name }) => [name, Object.fromEntries([...cores.keys()].map((which) => [which, told(`${name}/${which}`)]))]),
  )
}

const round = (ms: number): number => Math.round(ms * 10) / 10

/** What the code takes, without the start of its process. */
function timed(core: Core, type: string, code: string): Took {
  const measured = `const begun = performance.now(), cpu = process.cpuUsage(); ${code}
const { user, system } = process.cpuUsage(cpu); process.stdout.write(JSON.stringify({ ms: performance.now() - begun, cpuMs: (user + system) / 1000 }))`
  return JSON.parse(node(core, [type, '-e', measured], {}).stdout) as Took
}

/** The whole process, from before its start to after its end. A consumer without handlers answers with an error. */
function whole(core: Core, args: readonly string[], env: Readonly<Record<string, string>>): Took {
  const begun = performance.now()
  const { stderr } = node(core, ['--require', CPU, ...args], env)
  return { ms: performance.now() - begun, cpuMs: Number(/\ncpu (\S+)/.exec(stderr)?.[1]) }
}

function node(
  core: Core,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): { readonly stdout: string; readonly stderr: string } {
  const { PATH, HOME } = process.env
  return spawnSync(process.execPath, args, { cwd: core, env: { PATH, HOME, ...env }, encoding: 'utf8' })
}

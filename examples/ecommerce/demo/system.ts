import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Child, type CommandResult, type Line, launch, run } from '../../two-apis/demo/child.ts'
import { until } from '../../two-apis/demo/until.ts'

export const SERVICES = ['user-service', 'product-service', 'order-service', 'query-service'] as const
export type ServiceName = (typeof SERVICES)[number]

/** user-service hears of nothing, so it has no consumer. */
export const PROCESSES = [...SERVICES, 'product-service consumer', 'order-service consumer', 'query-service consumer'] as const
export type ProcessName = (typeof PROCESSES)[number]

export interface BootOptions {
  /** The addresses of the broker and the databases; added to this process's own environment. */
  readonly env: NodeJS.ProcessEnv
  /** Default: all. */
  readonly processes?: readonly ProcessName[]
  /** The ports of the services. Default: the operating system chooses. */
  readonly ports?: Partial<Record<ServiceName, number>>
  readonly onLine?: (line: Line) => void
  /** Aborts what waits, with its reason. */
  readonly signal?: AbortSignal
}

/** The services and their consumers, each a process of its own. */
export interface System {
  readonly lines: readonly Line[]
  /** Aborts with the reason when a process has died on its own, or when the caller's does. */
  readonly signal: AbortSignal
  url(service: ServiceName): string
  /** Runs `core ...` as the service's operator would. */
  core(service: ServiceName, ...args: readonly string[]): Promise<CommandResult>
  /** Ends a process as `kill -9` does, and starts it again, on another port. Resolves when it works again. */
  crash(name: ProcessName): Promise<void>
  /** Ends a process as `kill -9` does. `start` brings it back. */
  kill(name: ProcessName): Promise<void>
  start(name: ProcessName): Promise<void>
  /** Lets all of them finish and end. Returns those that did not end with code 0. Safe to call twice. */
  stop(): Promise<readonly string[]>
}

interface Running {
  readonly child: Child
  port?: number
  consumes?: true
  killed?: true
}

const HERE = fileURLToPath(new URL('..', import.meta.url))
const UP_LIMIT_MS = 60_000
const STOP_LIMIT_MS = 30_000

/** @throws Error with its last lines when one of them does not come up. */
export async function bootSystem({
  env: more,
  processes = PROCESSES,
  ports = {},
  onLine = () => undefined,
  signal: outer,
}: BootOptions): Promise<System> {
  const env = { ...process.env, LOG_LEVEL: 'debug', ...more }
  const failed = new AbortController()
  const signal = outer ? AbortSignal.any([failed.signal, outer]) : failed.signal
  const lines: Line[] = []
  const running = new Map<ProcessName, Running>()
  let stopping: Promise<readonly string[]> | undefined

  const launched = (name: ProcessName): Running => {
    const [service, consumer] = name.split(' ') as [ServiceName, string?] // as PROCESSES are called
    const started: Running = {
      child: launch({
        name,
        args: consumer ? [coreCommand(), 'consumer'] : ['--import', 'tsx', 'src/server.ts'],
        cwd: join(HERE, service),
        env: { ...env, PORT: String(consumer ? 0 : (ports[service] ?? 0)) },
        onLine: (line) => {
          lines.push(line)
          if (!consumer && line.log?.port !== undefined) started.port = line.log.port
          if (line.log?.text.startsWith('consumer started')) started.consumes = true
          onLine(line)
        },
      }),
    }
    void started.child.ended.then((how) => {
      if (!stopping && !started.killed) failed.abort(new Error(`${name} ended by itself (${how}). ${lastWords(lines, name)}`))
    }) // ended never rejects
    return started
  }
  const works = ({ port, consumes, killed }: Running): true | undefined => (!killed && (port !== undefined || consumes) ? true : undefined)
  const start = async (name: ProcessName): Promise<void> => {
    const started = launched(name)
    running.set(name, started)
    await until(`${name} works`, () => works(started), { signal, limitMs: UP_LIMIT_MS })
  }
  const kill = async (name: ProcessName): Promise<void> => {
    const victim = running.get(name)
    if (!victim || stopping) return
    victim.killed = true
    victim.child.signal('SIGKILL')
    await victim.child.ended
  }
  const system: System = {
    lines,
    signal,
    url: (service) => `http://127.0.0.1:${running.get(service)?.port}`,
    core: (service, ...args) => run([coreCommand(), ...args], { cwd: join(HERE, service), env: { ...env, LOG_LEVEL: 'warn' } }),
    kill,
    start,
    crash: async (name) => {
      await kill(name)
      await start(name)
    },
    stop: () => {
      stopping ??= stopAll([...running.values()])
      return stopping
    },
  }
  try {
    await Promise.all(processes.map(start))
    return system
  } catch (error) {
    await system.stop()
    throw error
  }
}

async function stopAll(all: readonly Running[]): Promise<readonly string[]> {
  const children = all.filter(({ killed }) => !killed).map(({ child }) => child)
  for (const child of children) child.signal('SIGTERM')
  const late = setTimeout(() => {
    for (const child of children) child.signal('SIGKILL')
  }, STOP_LIMIT_MS)
  const ends = await Promise.all(children.map(async ({ name, ended }) => ({ name, how: await ended })))
  clearTimeout(late)
  return ends.filter(({ how }) => how !== 'exit code 0').map(({ name, how }) => `${name}: ${how}`)
}

function lastWords(lines: readonly Line[], name: string): string {
  const own = lines.filter(({ from }) => from === name).slice(-20)
  return own.length === 0 ? 'It said nothing.' : `Its last lines:\n${own.map(({ text, log }) => `  ${log?.text ?? text}`).join('\n')}`
}

/** The file behind `npx core`. */
function coreCommand(): string {
  const manifest = createRequire(import.meta.url).resolve('@corebus/core/package.json')
  return join(dirname(manifest), 'bin', 'core.js')
}

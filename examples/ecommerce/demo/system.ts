import { type CommandResult, type Line, run } from '../../two-apis/demo/child.ts'
import { until } from '../../two-apis/demo/until.ts'
import { coreCommand, folderOf, lastWords, launchService, type ServiceProcess, serviceNameOf, stopAll, works } from './service-process.ts'

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

interface Running extends ServiceProcess {
  killed?: true
}

const UP_LIMIT_MS = 60_000

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
    const started: Running = launchService(name, {
      env,
      port: ports[serviceNameOf(name) as ServiceName] ?? 0, // as PROCESSES are called
      onLine: (line) => {
        lines.push(line)
        onLine(line)
      },
    })
    void started.child.ended.then((how) => {
      if (!stopping && !started.killed) failed.abort(new Error(`${name} ended by itself (${how}). ${lastWords(lines, name)}`))
    }) // ended never rejects
    return started
  }
  const start = async (name: ProcessName): Promise<void> => {
    const started = launched(name)
    running.set(name, started)
    await until(`${name} works`, () => (!started.killed && works(started)) || undefined, { signal, limitMs: UP_LIMIT_MS })
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
    core: (service, ...args) => run([coreCommand(), ...args], { cwd: folderOf(service), env: { ...env, LOG_LEVEL: 'warn' } }),
    kill,
    start,
    crash: async (name) => {
      await kill(name)
      await start(name)
    },
    stop: () => {
      stopping ??= stopAll([...running.values()].filter(({ killed }) => !killed))
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

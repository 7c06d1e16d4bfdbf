import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Child, type CommandResult, type Line, launch, run } from './child.ts'
import { happeningOf, type LogLine } from './log-line.ts'
import { until } from './until.ts'

export interface BootOptions {
  /** Where the broker is and where state goes; added to this process's own environment. */
  readonly env: NodeJS.ProcessEnv
  /** 0: the operating system chooses. */
  readonly ports?: { readonly users: number; readonly orders: number }
  readonly onLine?: (line: Line) => void
  /** Aborts what waits, with its reason. */
  readonly signal?: AbortSignal
}

/** Two APIs and two consumers: four processes that share the broker and nothing else. */
export interface TwoApis {
  readonly urls: { readonly users: string; readonly orders: string }
  readonly lines: readonly Line[]
  /** Aborts with the reason when a process has died on its own, or when the caller's does. */
  readonly signal: AbortSignal
  /** The log lines that say this happened to a message. */
  happened(happening: ReturnType<typeof happeningOf>, where: Partial<LogLine>): readonly LogLine[]
  /** Runs `core ...` as orders-api's operator would. */
  core(...args: readonly string[]): Promise<CommandResult>
  /** Lets all of them finish and end, within a limit. Returns those that did not end with code 0. Safe to call twice. */
  stop(): Promise<readonly string[]>
}

const HERE = fileURLToPath(new URL('..', import.meta.url))
const GROUPS = ['user-service', 'order-service', 'order-feed', 'payments', 'inventory']
const STOP_LIMIT_MS = 30_000
const LAST_LINES = 8

/** @throws Error with its last lines when one of them does not come up. */
export async function bootTwoApis({
  env: more,
  ports = { users: 0, orders: 0 },
  onLine = () => undefined,
  signal: outer,
}: BootOptions): Promise<TwoApis> {
  const env = { ...process.env, LOG_LEVEL: 'debug', ...more }
  const failed = new AbortController()
  const lines: Line[] = []
  const children: Child[] = []
  let stopping: Promise<readonly string[]> | undefined

  const start = (service: string, what: 'server' | 'consumer', port = 0): void => {
    const args = what === 'server' ? ['--import', 'tsx', 'src/server.ts'] : [coreCommand(), 'consumer']
    const child = launch({
      name: what === 'server' ? service : `${service} consumer`,
      args,
      cwd: join(HERE, service),
      env: { ...env, PORT: String(port) },
      onLine: (line) => {
        lines.push(line)
        onLine(line)
      },
    })
    children.push(child)
    void child.ended.then((how) => {
      if (!stopping) failed.abort(new Error(`${child.name} ended by itself (${how}). ${lastWords(lines, child.name)}`))
    }) // ended never rejects
  }
  start('users-api', 'server', ports.users)
  start('orders-api', 'server', ports.orders)
  start('users-api', 'consumer')
  start('orders-api', 'consumer')

  const signal = outer ? AbortSignal.any([failed.signal, outer]) : failed.signal
  const url = async (service: string): Promise<string> => {
    const port = await until(
      `${service} listens`,
      () => lines.find(({ from, log }) => from === service && log?.port !== undefined)?.log?.port,
      { signal },
    )
    return `http://127.0.0.1:${port}`
  }
  const system: Omit<TwoApis, 'urls'> = {
    lines,
    signal,
    happened: (happening, where) => lines.flatMap(({ log }) => (log && happeningOf(log) === happening && agrees(log, where) ? [log] : [])),
    core: (...args) => run([coreCommand(), ...args], { cwd: join(HERE, 'orders-api'), env: { ...env, LOG_LEVEL: 'warn' } }),
    stop: () => {
      stopping ??= stopAll(children)
      return stopping
    },
  }
  try {
    const urls = { users: await url('users-api'), orders: await url('orders-api') }
    for (const group of GROUPS)
      await until(
        `group ${group} consumes`,
        () => lines.find(({ log }) => log?.group === group && log.text.startsWith('consumer started')),
        { signal },
      )
    return { ...system, urls }
  } catch (error) {
    await system.stop()
    throw error
  }
}

async function stopAll(children: readonly Child[]): Promise<readonly string[]> {
  for (const child of children) child.signal('SIGTERM')
  const late = setTimeout(() => {
    for (const child of children) child.signal('SIGKILL')
  }, STOP_LIMIT_MS)
  const ends = await Promise.all(children.map(async ({ name, ended }) => ({ name, how: await ended })))
  clearTimeout(late)
  return ends.filter(({ how }) => how !== 'exit code 0').map(({ name, how }) => `${name}: ${how}`)
}

function agrees(log: LogLine, where: Partial<LogLine>): boolean {
  const wanted = Object.entries(where)
  const has: Record<string, unknown> = { ...log }
  return wanted.every(([name, value]) => has[name] === value)
}

/** The error that it ended with; without one, what it said last. */
function lastWords(lines: readonly Line[], name: string): string {
  const own = lines.filter(({ from }) => from === name)
  const error = own.findLast(({ text, log }) => !log && /^(\w*Error\b|error: )/.test(text))
  if (error) return `It says: ${error.text}`
  if (own.length === 0) return 'It said nothing.'
  const last = own.slice(-LAST_LINES).map(({ text, log }) => `  ${log?.text ?? text}`)
  return `Its last lines:\n${last.join('\n')}`
}

/** The file behind `npx core`. */
function coreCommand(): string {
  const manifest = createRequire(import.meta.url).resolve('@corebus/core/package.json')
  return join(dirname(manifest), 'bin', 'core.js')
}

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

/** Two APIs and two consumers. */
export const PROCESSES = ['users-api', 'orders-api', 'users-api consumer', 'orders-api consumer'] as const
export type ProcessName = (typeof PROCESSES)[number]

/** Four processes that share the broker and nothing else. */
export interface TwoApis {
  /** As they were when all of them had come up. */
  readonly urls: { readonly users: string; readonly orders: string }
  readonly lines: readonly Line[]
  /** Aborts with the reason when a process has died on its own, or when the caller's does. */
  readonly signal: AbortSignal
  /** The log lines that say this happened to a message. */
  happened(happening: ReturnType<typeof happeningOf>, where: Partial<LogLine>): readonly LogLine[]
  /** Runs `core ...` as orders-api's operator would. */
  core(...args: readonly string[]): Promise<CommandResult>
  /** Resolves when the process works, after a `crash` too; of an API with its address. */
  up(name: ProcessName): Promise<string>
  /** How many lines the process has said, since it was started last. */
  said(name: ProcessName): number
  /** Ends a process as `kill -9` does, and starts it again. Resolves when it is gone. */
  crash(name: ProcessName): Promise<void>
  /** Lets all of them finish and end, within a limit. Returns those that did not end with code 0. Safe to call twice. */
  stop(): Promise<readonly string[]>
}

const HERE = fileURLToPath(new URL('..', import.meta.url))
const GROUPS: Readonly<Record<ProcessName, readonly string[]>> = {
  'users-api': [],
  'orders-api': [],
  'users-api consumer': ['user-service'],
  'orders-api consumer': ['order-service', 'order-feed', 'payments', 'inventory'],
}
const UP_LIMIT_MS = 60_000
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
  const running = new Map<ProcessName, Running>()
  let stopping: Promise<readonly string[]> | undefined

  const start = (name: ProcessName): void => {
    const [service = name, consumer] = name.split(' ')
    const started: Running = {
      groups: new Set(),
      said: 0,
      child: launch({
        name,
        args: consumer ? [coreCommand(), 'consumer'] : ['--import', 'tsx', 'src/server.ts'],
        cwd: join(HERE, service),
        env: { ...env, PORT: String(name === 'users-api' ? ports.users : name === 'orders-api' ? ports.orders : 0) },
        onLine: (line) => {
          lines.push(line)
          hear(started, line)
          onLine(line)
        },
      }),
    }
    running.set(name, started)
    void started.child.ended.then((how) => {
      if (!stopping && !started.crashed) failed.abort(new Error(`${name} ended by itself (${how}). ${lastWords(lines, name)}`))
    }) // ended never rejects
  }
  for (const name of PROCESSES) start(name)

  const signal = outer ? AbortSignal.any([failed.signal, outer]) : failed.signal
  const up = (name: ProcessName): Promise<string> =>
    until(`${name} works`, () => addressOf(running.get(name), GROUPS[name]), { signal, limitMs: UP_LIMIT_MS })
  const system: Omit<TwoApis, 'urls'> = {
    lines,
    signal,
    up,
    said: (name) => running.get(name)?.said ?? 0,
    happened: (happening, where) => lines.flatMap(({ log }) => (log && happeningOf(log) === happening && agrees(log, where) ? [log] : [])),
    core: (...args) => run([coreCommand(), ...args], { cwd: join(HERE, 'orders-api'), env: { ...env, LOG_LEVEL: 'warn' } }),
    async crash(name) {
      const victim = running.get(name)
      if (!victim || stopping) return
      victim.crashed = true
      victim.child.signal('SIGKILL')
      await victim.child.ended
      if (!stopping) start(name)
    },
    stop: () => {
      stopping ??= stopAll([...running.values()].map(({ child }) => child))
      return stopping
    },
  }
  try {
    const urls = { users: await up('users-api'), orders: await up('orders-api') }
    for (const name of PROCESSES) await up(name)
    return { ...system, urls }
  } catch (error) {
    await system.stop()
    throw error
  }
}

/** A process of the two APIs, from its start to its end. */
interface Running {
  readonly child: Child
  port?: number
  /** Those that have said that they consume. */
  readonly groups: Set<string>
  said: number
  crashed?: true
}

function hear(process: Running, { log }: Line): void {
  process.said++
  if (log?.port !== undefined) process.port = log.port
  if (log?.group !== undefined && log.text.startsWith('consumer started')) process.groups.add(log.group)
}

/** Undefined while it does not work yet. A consumer has none, so its is empty. */
function addressOf(process: Running | undefined, groups: readonly string[]): string | undefined {
  if (!process || process.crashed) return undefined
  if (groups.length > 0) return groups.every((group) => process.groups.has(group)) ? '' : undefined
  return process.port === undefined ? undefined : `http://127.0.0.1:${process.port}`
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

import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Child, type Line, launch } from '../../two-apis/demo/child.ts'

/** An API or a consumer of a service, from its start to its end. */
export interface ServiceProcess {
  readonly name: string
  readonly child: Child
  /** The port of an API, once it listens. */
  port?: number
  /** Set once a consumer consumes. */
  consumes?: true
}

export interface LaunchServiceOptions {
  readonly env: NodeJS.ProcessEnv
  /** The port of an API. 0: the operating system chooses. */
  readonly port: number
  readonly onLine: (line: Line) => void
}

const EXAMPLE = fileURLToPath(new URL('..', import.meta.url))
const STOP_LIMIT_MS = 30_000
const LAST_LINES = 20

/** Starts a process by its name: `order-service` is the API of that service, and `order-service consumer` its consumer. */
export function launchService(name: string, { env, port, onLine }: LaunchServiceOptions): ServiceProcess {
  const isConsumer = name.endsWith(' consumer')
  const launched: ServiceProcess = {
    name,
    child: launch({
      name,
      args: isConsumer ? [coreCommand(), 'consumer'] : ['--import', 'tsx', 'src/server.ts'],
      cwd: folderOf(name),
      env: { ...env, PORT: String(isConsumer ? 0 : port) },
      onLine: (line) => {
        if (!isConsumer && line.log?.port !== undefined) launched.port = line.log.port
        if (line.log?.text.startsWith('consumer started')) launched.consumes = true
        onLine(line)
      },
    }),
  }
  return launched
}

/** Says whether the process has come up: an API listens, and a consumer consumes. */
export const works = ({ port, consumes }: ServiceProcess): boolean => port !== undefined || consumes === true

/** Returns the folder of the service that a process belongs to. */
export const folderOf = (name: string): string => join(EXAMPLE, serviceNameOf(name))

/** Returns the service that a process belongs to. */
export const serviceNameOf = (name: string): string => name.split(' ')[0] ?? name

/** Lets all of them finish and end, and kills those that need longer than 30 s. Returns those that did not end with code 0. */
export async function stopAll(all: readonly ServiceProcess[]): Promise<readonly string[]> {
  for (const { child } of all) child.signal('SIGTERM')
  const late = setTimeout(() => {
    for (const { child } of all) child.signal('SIGKILL')
  }, STOP_LIMIT_MS)
  const ends = await Promise.all(all.map(async ({ name, child }) => ({ name, how: await child.ended })))
  clearTimeout(late)
  return ends.filter(({ how }) => how !== 'exit code 0').map(({ name, how }) => `${name}: ${how}`)
}

/** Returns what a process said last, for the error that tells of its end. */
export function lastWords(lines: readonly Line[], name: string): string {
  const own = lines.filter(({ from }) => from === name).slice(-LAST_LINES)
  return own.length === 0 ? 'It said nothing.' : `Its last lines:\n${own.map(({ text, log }) => `  ${log?.text ?? text}`).join('\n')}`
}

/** Returns the file behind `npx corebus`. */
export function coreCommand(): string {
  const manifest = createRequire(import.meta.url).resolve('@corebus/core/package.json')
  return join(dirname(manifest), 'bin', 'core.js')
}

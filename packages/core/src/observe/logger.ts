import type { DestinationStream, Logger, LoggerOptions } from 'pino'
import type * as pretty from 'pino-pretty'
import { loadPino } from '../../lazy/pino.cjs'
import { asError } from '../errors.ts'
import { redactUrl } from '../options/redact.ts'
import { here } from '../process/version.ts'
import { described } from './described.ts'
import { visible } from './readable.ts'
import { LEVELS } from './steady.ts'

/** Where lines go. `isTTY` and `hasColors` are what Node's terminal streams have. */
export type LogStream = DestinationStream & { readonly isTTY?: boolean; hasColors?(): boolean }

export interface LogOptions {
  /** One of pino's levels, or 'silent'. */
  readonly level: string
  /** On every line. */
  readonly service: string
  /** Default: the standard output. */
  readonly stream?: LogStream
}

const SECRET = ['password', 'authorization']
const URLS = ['url', 'brokerUrl', 'redisUrl']
// One level down too, as in { headers: { authorization } }; pino asks for every place by name.
const redact: LoggerOptions['redact'] = {
  paths: [...SECRET, 'Authorization', ...URLS].flatMap((name) => [name, `*.${name}`]),
  censor: (value, path) => (URLS.includes(String(path.at(-1))) && typeof value === 'string' ? redactUrl(value) : '***'),
}

/** What `LOG_LEVEL` says, for who may not fail because of it: a wrong one is an error of the configuration, told where that is read. */
export function levelIn(env: NodeJS.ProcessEnv): string {
  const level = env.LOG_LEVEL?.trim().toLowerCase() ?? ''
  return level === 'silent' || (LEVELS as readonly string[]).includes(level) ? level : 'info'
}

/** Readable lines on a terminal, in colour if it has them; elsewhere JSON, a line each. Both are written at once, so that none is lost at exit. */
export function createLogger({ level, service, stream }: LogOptions): Logger {
  const { pino } = pinoOf()
  const terminal: Partial<LogStream> = stream ?? process.stdout
  const options: LoggerOptions = { level, redact, serializers: { err: described }, timestamp: pino.stdTimeFunctions.isoTime }
  const destination = stream ?? standardOutput()
  return pino(options, terminal.isTTY ? readable(destination, terminal.hasColors?.() ?? false) : destination).child({ service })
}

/** A reader that has gone, or a disk that is full, costs lines and not the process. */
function standardOutput(): DestinationStream {
  const destination = pinoOf().destination({ dest: 1, sync: true })
  destination.on('error', () => {})
  return destination
}

function readable(destination: DestinationStream, colorize: boolean): DestinationStream {
  // Loaded only where somebody looks: a service in a container need not wait for it.
  const prettyFactory = prettyFactoryOf()
  // It is not beside a bundle, unless somebody has put it there.
  if (!prettyFactory) return destination
  const format = prettyFactory({
    colorize,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname,service',
    messageFormat: '{service} {msg}',
  })
  return { write: (line) => destination.write(format(shown(JSON.parse(line)))) }
}

const NO_REQUIRE = /^Dynamic require of |^require is not defined/

/** A bundle of ES modules that leaves pino out has no `require` for the file that asks for it: then pino is looked for beside the bundle. */
function pinoOf(): ReturnType<typeof loadPino> {
  try {
    return loadPino()
  } catch (thrown) {
    if (!NO_REQUIRE.test(asError(thrown).message)) throw thrown
    return process.getBuiltinModule('node:module').createRequire(here)('pino')
  }
}

function prettyFactoryOf(): typeof pretty.prettyFactory | undefined {
  try {
    // Not imported by that name: what bundlers are told to put on top of a file of ES modules declares it too.
    const { createRequire } = process.getBuiltinModule('node:module')
    return (createRequire(here)('pino-pretty') as typeof pretty).prettyFactory
  } catch {
    return undefined // JSON is a line too
  }
}

function shown(value: unknown): object {
  const deep = (one: unknown): unknown => {
    if (typeof one === 'string') return visible(one)
    if (typeof one !== 'object' || one === null) return one
    return Array.isArray(one) ? one.map(deep) : Object.fromEntries(Object.entries(one).map(([name, inner]) => [visible(name), deep(inner)]))
  }
  return deep(value) as object
}

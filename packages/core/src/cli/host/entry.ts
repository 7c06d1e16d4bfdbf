import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { asError, COMMAND, CorebusError } from '../../errors.ts'
import { resolveFrom } from '../copy.ts'
import { codeOf } from '../exit.ts'
import { nearest, type Project } from '../project.ts'
import { placeIn, shown } from './place.ts'
import { withoutPorts } from './ports.ts'

const TYPESCRIPT = /\.[cm]?tsx?$/
const FALLBACKS = ['src/consumer.ts', 'src/main.ts']

export interface FindOptions {
  readonly cwd?: string
  /** How one is named, for who has to. */
  readonly example?: string
}

/**
 * The file that registers the handlers: the one given, else `corebus.entry`, else src/consumer.ts, else src/main.ts.
 * @throws CorebusError USAGE that lists what was tried.
 */
export function findEntry(
  given: string | undefined,
  { folder, entry }: Project,
  { cwd = process.cwd(), example = `${COMMAND} consumer src/handlers.ts` }: FindOptions = {},
): string {
  if (given !== undefined) return existing(resolve(cwd, given), `there is no file ${given} to load handlers from (looked in ${cwd})`)
  if (entry !== undefined)
    return existing(resolve(folder, entry), `corebus.entry in ${join(folder, 'package.json')} is ${entry}, and there is no such file`)
  const found = FALLBACKS.map((file) => join(folder, file)).find(isFile)
  if (found !== undefined) return found
  throw new CorebusError(
    'USAGE',
    `no entry found: tried corebus.entry in package.json, ${FALLBACKS.join(' and ')} in ${folder}. Name the file that registers the handlers, as in: ${example}`,
  )
}

function existing(file: string, otherwise: string): string {
  if (isFile(file)) return file
  throw new CorebusError('USAGE', otherwise)
}

function isFile(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isFile() ?? false
}

/** @throws CorebusError USAGE when there is none, or nothing it could be for. */
export function findTsconfig(given: string, entry: string, cwd: string = process.cwd()): string {
  if (!TYPESCRIPT.test(entry))
    throw new CorebusError('USAGE', `--tsconfig is for an entry in TypeScript, and ${shown(entry)} is none: leave it out`)
  return existing(resolve(cwd, given), `there is no file ${given} to take the settings of TypeScript from (looked in ${cwd})`)
}

export interface LoadOptions {
  /** Default: the nearest tsconfig.json above the entry. */
  readonly tsconfig: string | undefined
  /** Gets what goes wrong beside the import: a port, an error in something nobody awaits. */
  readonly onFailure: (error: CorebusError) => void
}

/**
 * Imports the entry, TypeScript through tsx.
 * @throws CorebusError with the user's own message and the line in their file.
 */
export async function loadEntry(file: string, { tsconfig, onFailure }: LoadOptions): Promise<void> {
  if (TYPESCRIPT.test(file)) await registerTsx(file, tsconfig)
  const unfinished = (): void =>
    onFailure(new CorebusError('ENTRY', `${shown(file)} never finished loading: it awaits something that never comes`))
  const thrown = (error: unknown): void => onFailure(entryError(error, file))
  process.once('beforeExit', unfinished)
  process.on('uncaughtException', thrown)
  try {
    await withoutPorts(() => import(pathToFileURL(file).href), onFailure)
    // A promise that was rejected while loading is told after this round.
    await new Promise<void>((done) => setImmediate(done))
  } catch (error) {
    throw entryError(error, file)
  } finally {
    process.off('beforeExit', unfinished)
    process.off('uncaughtException', thrown)
  }
}

async function registerTsx(file: string, given: string | undefined): Promise<void> {
  const path = resolveFrom(file, 'tsx/esm/api')
  if (path === undefined)
    throw new CorebusError('PEER_MISSING', `${shown(file)} is TypeScript, and that needs the package "tsx": npm install tsx`)
  const { register } = (await import(pathToFileURL(path).href)) as { register(options: { tsconfig?: string }): void }
  // By itself tsx looks from the working directory, which may be that of a whole repository.
  const folder = nearest('tsconfig.json', dirname(file))
  const tsconfig = given ?? (folder === undefined ? undefined : join(folder, 'tsconfig.json'))
  register(tsconfig === undefined ? {} : { tsconfig })
}

function entryError(thrown: unknown, file: string): CorebusError {
  const error = asError(thrown)
  const place = placeIn(error.stack) ?? syntaxPlace(error, file)
  const at = place === undefined ? '' : ` (${place})`
  // Ours say what to do already.
  if (error.name === 'CorebusError') return new CorebusError(codeOf(error) ?? 'ENTRY', `${error.message}${at}`, { cause: thrown })
  return new CorebusError('ENTRY', `${shown(file)} could not be loaded: ${error.name}: ${error.message}${at}`, { cause: thrown })
}

/** V8 says where only to those who do not catch it. */
function syntaxPlace(error: Error, file: string): string | undefined {
  if (error.name !== 'SyntaxError' || !existsSync(file)) return undefined
  const { stderr } = spawnSync(process.execPath, ['--check', file], { encoding: 'utf8' })
  const row = /^.*:(\d+)$/m.exec(stderr.split('\n')[0] ?? '')?.[1]
  return row === undefined ? `in a file it imports; node ${shown(file)} says where` : `${shown(file)}:${row}`
}

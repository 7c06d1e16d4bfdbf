import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { asError, CorebusError } from '../errors.ts'

/** The nearest package.json above the working directory, and what of it concerns us. */
export interface Project {
  /** Its folder; without one the working directory. */
  readonly folder: string
  /** `corebus.entry`, as written. */
  readonly entry: string | undefined
}

export function findProject(cwd: string = process.cwd()): Project {
  const folder = nearest('package.json', cwd)
  if (folder === undefined) return { folder: cwd, entry: undefined }
  const file = join(folder, 'package.json')
  const manifest = readManifest(file)
  const settings = isObject(manifest) ? manifest.corebus : undefined
  const entry = isObject(settings) ? settings.entry : undefined
  if (entry !== undefined && typeof entry !== 'string')
    throw new CorebusError('USAGE', `corebus.entry in ${file} must be the path of a file, in quotes`)
  return { folder, entry }
}

/**
 * Puts the variables of `.env` into the environment, or of the files named instead; of several the last one wins. What is set already stays.
 * @throws CorebusError USAGE for a named file that cannot be read.
 */
export function loadEnv(project: Project, named: readonly string[], env: NodeJS.ProcessEnv = process.env): void {
  // Some versions of Node read --env-file themselves wherever it stands on the command line: what they have set is then set already, and equal.
  const standard = join(project.folder, '.env')
  const files = named.length > 0 ? named.map((file) => resolve(file)) : existsSync(standard) ? [standard] : []
  const found = Object.assign({}, ...files.map(readEnv)) as Record<string, string>
  for (const [name, value] of Object.entries(found)) env[name] ??= value
}

function readEnv(file: string): NodeJS.Dict<string> {
  try {
    return parseEnv(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new CorebusError('USAGE', `the environment file ${file} cannot be read: ${asError(cause).message}`, { cause })
  }
}

/** The nearest folder at or above `from` that has such a file. */
export function nearest(name: string, from: string): string | undefined {
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    if (existsSync(join(folder, name))) return folder
    if (dirname(folder) === folder) return undefined
  }
}

function readManifest(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new CorebusError('USAGE', `${file} cannot be read: ${asError(cause).message}`, { cause })
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

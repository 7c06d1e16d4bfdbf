import { execFile } from 'node:child_process'
import { copyFileSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { kept } from './kept.ts'
import { missing } from './missing.ts'

const run = promisify(execFile)

export interface LibrariesOptions {
  /** The name under which they are kept in the user's cache. */
  readonly name: string
  /** What they are, for people: `database libraries`. */
  readonly what: string
}

/**
 * Installs the packages of the lock file in `folder`, and links them there as `node_modules`: from the registry the first time, and from the user's cache
 * after that. False, with one line that says why, where they cannot be had.
 * @throws under CI=true where they cannot be had.
 */
export async function installLibraries(folder: string, { name, what }: LibrariesOptions): Promise<boolean> {
  try {
    const files = ['package.json', 'package-lock.json']
    const cached = await kept(name, [...files.map((file) => join(folder, file)), process.version], async (made) => {
      for (const file of files) copyFileSync(join(folder, file), join(made, file))
      await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', made])
    })
    const here = join(folder, 'node_modules')
    rmSync(here, { recursive: true, force: true })
    symlinkSync(join(cached, 'node_modules'), here)
    return true
  } catch (error) {
    missing(what, `a registry of npm packages (${error instanceof Error ? error.message.slice(0, 500) : error})`)
    return false
  }
}

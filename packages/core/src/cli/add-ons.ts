import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Command } from 'commander'
import { COMMAND, CorebusError } from '../errors.ts'
import { resolveFrom } from './copy.ts'
import { findProject } from './project.ts'

/** Commands of packages that are installed beside this one. Each exports `commands(program)` from `<package>/cli`. */
const ADD_ONS: Readonly<Record<string, string>> = { outbox: '@corebus/sql' }

/** Adds the command named on the command line, if it is one of a package. @throws CorebusError PEER_MISSING that names the package to install. */
export async function addCommandsOf(name: string | undefined, program: Command): Promise<void> {
  const owner = name === undefined || !Object.hasOwn(ADD_ONS, name) ? undefined : ADD_ONS[name]
  if (owner === undefined) return
  const manifest = join(findProject().folder, 'package.json')
  const path = resolveFrom(manifest, `${owner}/cli`)
  if (path === undefined) {
    const isThere = resolveFrom(manifest, `${owner}/package.json`) !== undefined || resolveFrom(manifest, owner) !== undefined
    throw new CorebusError(
      'PEER_MISSING',
      isThere
        ? `the installed ${owner} has no command ${name} yet: npm install ${owner}@latest`
        : `${COMMAND} ${name} belongs to the package ${owner}: npm install ${owner}`,
    )
  }
  const { commands } = (await import(pathToFileURL(path).href)) as { commands(program: Command): void }
  commands(program)
}

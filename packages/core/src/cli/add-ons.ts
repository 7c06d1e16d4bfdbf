import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Command } from 'commander'
import { COMMAND, CorebusError } from '../errors.ts'
import { namedIn } from './commands.ts'
import { resolveFrom } from './copy.ts'
import { findProject } from './project.ts'

interface AddOn {
  readonly owner: string
  readonly description: string
}

/** Commands of packages that are installed beside this one. Each exports `commands(program, onEnd)` from `<package>/cli`. */
const ADD_ONS: Readonly<Record<string, AddOn>> = {
  cqrs: { owner: '@corebus/cqrs', description: 'replicas of tables: filling, comparing and mending them' },
  outbox: { owner: '@corebus/sql', description: 'the outbox: what waits in it, and its relay' },
  projections: { owner: '@corebus/cqrs', description: 'read models: what they hold, and their rebuilding' },
  schedule: { owner: '@corebus/sql', description: 'what runs by the clock' },
}

interface Package {
  commands(program: Command, onEnd: (exitCode: number) => void): void
}

/**
 * Adds the command that is named on the command line, if it is one of a package, and the names of the others for the help.
 * @throws CorebusError PEER_MISSING that names the package to install
 */
export async function addCommandsOf(args: readonly string[], program: Command, onEnd: (exitCode: number) => void): Promise<void> {
  const name = namedIn(args)
  const addOn = name === undefined || !Object.hasOwn(ADD_ONS, name) ? undefined : ADD_ONS[name]
  const given = addOn && (await commandsOf(addOn.owner, `${name}`))
  given?.commands(program, onEnd)
  for (const [other, { description }] of Object.entries(ADD_ONS))
    if (!program.commands.some((command) => command.name() === other)) program.command(other).description(description)
}

async function commandsOf(owner: string, name: string): Promise<Package> {
  const manifest = join(findProject().folder, 'package.json')
  const path = resolveFrom(manifest, `${owner}/cli`)
  if (path !== undefined) return (await import(pathToFileURL(path).href)) as Package
  const isThere = resolveFrom(manifest, `${owner}/package.json`) !== undefined || resolveFrom(manifest, owner) !== undefined
  throw new CorebusError(
    'PEER_MISSING',
    isThere
      ? `the installed ${owner} has no command ${name} yet: npm install ${owner}@latest`
      : `${COMMAND} ${name} belongs to the package ${owner}: npm install ${owner}`,
  )
}

import { execFile } from 'node:child_process'
import { copyFileSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Database, kept, missing, startMariadb, startPostgres } from '@corebus/testbed'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the servers are; one that cannot be had here is missing. */
    readonly servers: { readonly postgres?: string; readonly mariadb?: string }
    readonly librariesInstalled: boolean
  }
}

const HERE = import.meta.dirname
const run = promisify(execFile)
const started: Database[] = []

/** Runs once, before the test files are looked for: they import what is installed here. */
export async function setup({ provide }: TestProject): Promise<void> {
  const installing = install()
  installing.catch(() => {}) // awaited below, also when a server fails first
  // Soon told that two wait for each other: each library has a test of it.
  const postgres = await startPostgres({ config: ['deadlock_timeout = 100ms'] })
  if (postgres) started.push(postgres)
  const mariadb = await startMariadb()
  if (mariadb) started.push(mariadb)
  provide('servers', { ...(postgres && { postgres: postgres.url }), ...(mariadb && { mariadb: mariadb.url }) })
  provide('librariesInstalled', await installing)
}

export async function teardown(): Promise<void> {
  await Promise.all(started.map((one) => one.stop()))
}

/** From the registry the first time, and from the user's cache after that. @throws under CI=true when they cannot be had. */
export async function install(): Promise<boolean> {
  try {
    const names = ['package.json', 'package-lock.json']
    const madeFrom = [...names.map((name) => join(HERE, name)), process.version]
    const folder = await kept('sql-libraries', madeFrom, async (made) => {
      for (const name of names) copyFileSync(join(HERE, name), join(made, name))
      await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', made])
    })
    const here = join(HERE, 'node_modules')
    rmSync(here, { recursive: true, force: true })
    symlinkSync(join(folder, 'node_modules'), here)
    return true
  } catch (error) {
    missing('database libraries', `a registry of npm packages (${error instanceof Error ? error.message.slice(0, 500) : error})`)
    return false
  }
}

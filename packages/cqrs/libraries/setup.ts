import { execFile } from 'node:child_process'
import { copyFileSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { kept, missing, startFerretdb, startMariadb, startPostgres } from '@corebus/testbed'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** The addresses of the servers of document stores and journals; one that cannot be had here is missing. */
    readonly stores: { readonly postgres?: string; readonly mariadb?: string; readonly mongo?: string }
    readonly clientsInstalled: boolean
  }
}

const HERE = import.meta.dirname
const run = promisify(execFile)
const started: { stop(): Promise<void> }[] = []

/** Runs once, before the test files are looked for: they import what is installed here. */
export async function setup({ provide }: TestProject): Promise<void> {
  const { MONGO_URI: given } = process.env
  const [installed, postgres, mariadb, ferretdb] = await Promise.all([
    install(),
    startPostgres({ config: ['deadlock_timeout = 100ms', 'max_connections = 60'] }),
    startMariadb(),
    given ? undefined : startFerretdb(),
  ])
  for (const one of [postgres, mariadb, ferretdb]) if (one) started.push(one)
  const mongo = given ?? ferretdb?.url
  provide('stores', { ...(postgres && { postgres: postgres.url }), ...(mariadb && { mariadb: mariadb.url }), ...(mongo && { mongo }) })
  provide('clientsInstalled', installed)
}

export async function teardown(): Promise<void> {
  await Promise.all(started.map((one) => one.stop()))
}

/** From the registry the first time, and from the user's cache after that. @throws under CI=true when they cannot be had. */
async function install(): Promise<boolean> {
  try {
    const names = ['package.json', 'package-lock.json']
    const madeFrom = [...names.map((name) => join(HERE, name)), process.version]
    const folder = await kept('cqrs-libraries', madeFrom, async (made) => {
      for (const name of names) copyFileSync(join(HERE, name), join(made, name))
      await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', made])
    })
    const here = join(HERE, 'node_modules')
    rmSync(here, { recursive: true, force: true })
    symlinkSync(join(folder, 'node_modules'), here)
    return true
  } catch (error) {
    missing('database clients', `a registry of npm packages (${error instanceof Error ? error.message.slice(0, 500) : error})`)
    return false
  }
}

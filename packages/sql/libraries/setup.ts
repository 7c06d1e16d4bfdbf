import { type Database, installLibraries, startMariadb, startPostgres } from '@corebus/testbed'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the servers are; one that cannot be had here is missing. */
    readonly servers: { readonly postgres?: string; readonly mariadb?: string }
    readonly librariesInstalled: boolean
  }
}

const started: Database[] = []

/** Runs once, before the test files are looked for: they import what is installed here. */
export async function setup({ provide }: TestProject): Promise<void> {
  const installing = installLibraries(import.meta.dirname, { name: 'sql-libraries', what: 'database libraries' })
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

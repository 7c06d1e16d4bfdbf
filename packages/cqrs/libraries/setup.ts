import { installLibraries, startFerretdb, startMariadb, startPostgres } from '@corebus/testbed'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** The addresses of the servers of document stores and journals; one that cannot be had here is missing. */
    readonly stores: { readonly postgres?: string; readonly mariadb?: string; readonly mongo?: string }
    readonly clientsInstalled: boolean
  }
}

const started: { stop(): Promise<void> }[] = []

/** Runs once, before the test files are looked for: they import what is installed here. */
export async function setup({ provide }: TestProject): Promise<void> {
  const { MONGO_URI: given } = process.env
  const [installed, postgres, mariadb, ferretdb] = await Promise.all([
    installLibraries(import.meta.dirname, { name: 'cqrs-libraries', what: 'database clients' }),
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

import { configureMessaging } from '@corebus/core'
import type { SqlSessions } from '@corebus/sql'
import { shop } from '../../../examples/view-sets/app.ts'
import { requests } from '../../../examples/view-sets/fixtures/requests-suite.ts'
import { TABLES } from '../../../examples/view-sets/tables.ts'

/** Sessions of a library on some PostgreSQL, and a way around them. */
export interface ShopDatabase {
  readonly session: SqlSessions<unknown>
  run(statement: string): Promise<{ readonly rows: readonly unknown[] }>
}

/** The example of ViewSets. It runs on the default instance, of which a process has one: so each library has a file of its own. */
export function viewSetsOn(open: () => Promise<ShopDatabase>): void {
  requests(async () => {
    const { session, run } = await open()
    for (const table of ['orders', 'users']) await run(`DROP TABLE IF EXISTS ${table} CASCADE`)
    for (const statement of TABLES.postgres) await run(statement)
    const messaging = configureMessaging({ broker: 'memory', service: 'shop-api', session, env: { LOG_LEVEL: 'silent' } })
    return {
      app: shop(),
      messaging,
      async count(table) {
        const [row] = (await run(`SELECT count(*) AS n FROM ${table}`)).rows as readonly { readonly n: unknown }[]
        return Number(row?.n)
      },
    }
  })
}

/** A database of its own on the server, made afresh. */
export async function freshPostgres(url: string, name: string): Promise<string> {
  const { fresh } = await import('./databases.ts')
  const { at, close } = await fresh('PostgreSQL', url, name)
  await close()
  return at
}

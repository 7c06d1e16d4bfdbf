import { kyselySession } from '@corebus/sql'
import { afterAll, describe, inject } from 'vitest'
import { freshPostgres, viewSetsOn } from './view-sets.ts'

const { postgres } = inject('servers')

describe.skipIf(!inject('librariesInstalled') || !postgres)('the ViewSets on PostgreSQL, by Kysely', () => {
  let close = async (): Promise<void> => undefined
  viewSetsOn(async () => {
    const { Kysely, PostgresDialect } = await import('kysely')
    const { Pool } = (await import('pg')).default
    const pool = new Pool({ connectionString: await freshPostgres(postgres ?? '', 'view_sets_kysely') })
    pool.on('connect', (client) => client.on('error', () => {}))
    const db = new Kysely<object>({ dialect: new PostgresDialect({ pool }) })
    close = () => db.destroy()
    return { session: kyselySession(db), run: (statement) => pool.query(statement) }
  })
  afterAll(() => close())
})

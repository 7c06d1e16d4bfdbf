import { drizzleSession } from '@corebus/sql'
import { afterAll, describe, inject } from 'vitest'
import { freshPostgres, viewSetsOn } from './view-sets.ts'

const { postgres } = inject('servers')

describe.skipIf(!inject('librariesInstalled') || !postgres)('the ViewSets on PostgreSQL, by Drizzle', () => {
  let close = async (): Promise<void> => undefined
  viewSetsOn(async () => {
    const { drizzle } = await import('drizzle-orm/node-postgres')
    const db = drizzle({ connection: { connectionString: await freshPostgres(postgres ?? '', 'view_sets_drizzle') } })
    close = () => db.$client.end()
    return { session: drizzleSession(db), run: (statement) => db.$client.query(statement) }
  })
  afterAll(() => close())
})

// `npx tsx examples/view-sets/server.ts`, and then the requests of its README. The database is in memory; MESSAGING_BROKER says which broker.
import { DatabaseSync } from 'node:sqlite'
import { closeOnSignal, configureMessaging } from '@corebus/core'
import { sqliteSession } from '@corebus/sql'
import { serve } from '@hono/node-server'
import { shop } from './app.ts'
import { TABLES } from './tables.ts'

const database = new DatabaseSync(':memory:')
for (const statement of TABLES.sqlite) database.exec(statement)

const messaging = configureMessaging<{ db: DatabaseSync }>({ service: 'shop-api', session: sqliteSession(database) })

const server = serve({ fetch: shop().fetch, hostname: '127.0.0.1', port: Number(process.env.PORT ?? 4003) }, ({ port }) => {
  messaging.logger.info({ port }, `listens at http://127.0.0.1:${port}`)
})
closeOnSignal(server, messaging)

import { createMessaging } from '@corebus/core'
import { kyselySession, pgSession, sqlInbox, sqlOutbox } from '@corebus/sql'
import type { Kysely, Transaction } from 'kysely'
import pg from 'pg'

export function listening<Tables>(db: Kysely<Tables>, direct: string) {
  // #region listening
  const pool = new pg.Pool({ connectionString: direct, max: 2 }) // past the pooler
  pool.on('error', (error) => console.error(error.message))

  const messaging = createMessaging<{ db: Transaction<Tables> }>({
    service: 'orders-api',
    session: kyselySession(db),
    outbox: sqlOutbox({ database: pgSession(pool) }),
    inbox: sqlInbox(),
  })
  // #endregion listening
  return { messaging, pool }
}

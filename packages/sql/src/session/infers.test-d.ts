import type { DatabaseSync } from 'node:sqlite'
import { createMessaging } from '@corebus/core'
import type { Kysely, Transaction } from 'kysely'
import { sqlInbox } from '../inbox/inbox.ts'
import { sqlOutbox } from '../outbox/outbox.ts'
import { kyselySession } from './kysely.ts'
import { sqliteSession } from './sqlite.ts'

// Compiled by `tsc -b`, never run.

interface Tables {
  orders: { id: number }
}

/** The type of `db` is that of the session, whatever works beside it: an outbox and an inbox take any. */
export function inferred(database: DatabaseSync, db: Kysely<Tables>): void {
  const alone = createMessaging({ session: sqliteSession(database) })
  alone.handle({ topic: 'orders' }, (_, { db }) => db satisfies DatabaseSync)
  const beside = createMessaging({ session: sqliteSession(database), outbox: sqlOutbox(), inbox: sqlInbox() })
  beside.handle({ topic: 'orders' }, (_, { db }) => db satisfies DatabaseSync)
  void beside.session(async (db) => db.exec('SELECT 1'))
  const built = createMessaging({ session: kyselySession(db), outbox: sqlOutbox(), inbox: sqlInbox() })
  built.handle({ topic: 'orders' }, (_, { db }) => (db satisfies Transaction<Tables>).insertInto('orders').values({ id: 1 }).execute())
  // @ts-expect-error a table that is not there
  built.handle({ topic: 'orders' }, (_, { db }) => db.insertInto('nobodys'))
}

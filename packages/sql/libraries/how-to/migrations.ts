import { ddl, sqlInbox, sqlOutbox } from '@corebus/sql'
import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'

// #region kysely-migration
export const outboxAndInbox: Migration = {
  async up(db: Kysely<unknown>) {
    for (const statement of ddl('postgres', [sqlOutbox(), sqlInbox()])) await sql.raw(statement).execute(db)
  },
}
// #endregion kysely-migration

// #region drizzle-file
export const drizzleFile = ddl('postgres', [sqlOutbox(), sqlInbox()]).join(';\n--> statement-breakpoint\n')
// #endregion drizzle-file

// #region prisma-file
export const prismaFile = ddl('postgres', [sqlOutbox(), sqlInbox()])
  .map((statement) => `${statement};\n`)
  .join('')
// #endregion prisma-file

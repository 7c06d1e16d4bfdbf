import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ddl, type Part, sqlInbox, sqlOutbox } from '@corebus/sql'
import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'

const parts: readonly Part[] = [sqlOutbox(), sqlInbox()]

// #region kysely-migration
export const outboxAndInbox: Migration = {
  async up(db: Kysely<unknown>) {
    for (const statement of ddl('postgres', [sqlOutbox(), sqlInbox()])) await sql.raw(statement).execute(db)
  },
}
// #endregion kysely-migration

/** What the page says to put into a file of Drizzle: a breakpoint between statements. */
export function drizzleMigration(folder: string): void {
  writeFileSync(join(folder, '0001_outbox.sql'), ddl('postgres', parts).join(';\n--> statement-breakpoint\n'))
}

/** What the page says to put into a file of Prisma. */
export const prismaMigration = (): string => `${ddl('postgres', parts).join(';\n')};\n`

import type { SqlSessions } from '@corebus/sql'
import { type Kysely, sql, type Transaction } from 'kysely'
import type { Migration } from 'kysely/migration'

interface Sequences {
  sequences: { name: string; value: number }
}

/** The last id of each kind. A table, because not all three databases have sequences. */
export const sequences: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema
      .createTable('sequences')
      .ifNotExists()
      .addColumn('name', 'varchar(40)', (column) => column.primaryKey())
      .addColumn('value', 'bigint', (column) => column.notNull())
      .execute()
  },
}

/** In a migration, for the ids that its service gives. */
export async function addSequence(db: Kysely<unknown>, name: string): Promise<void> {
  const table = db as Kysely<Sequences>
  const there = await table.selectFrom('sequences').select('name').where('name', '=', name).executeTakeFirst()
  if (!there) await table.insertInto('sequences').values({ name, value: 0 }).execute()
}

/**
 * Takes the next id, before the command that uses it: a command returns nothing. It commits by itself, so that nobody waits for the command's transaction,
 * and a command that is refused leaves a gap.
 */
export function sequence<Tables>({ write }: SqlSessions<Transaction<Tables>>, name: string): () => Promise<number> {
  return () =>
    write(async (db) => {
      const table = db as unknown as Transaction<Sequences> // each service's tables and this one are in the same database
      await table.updateTable('sequences').set({ value: sql`value + 1` }).where('name', '=', name).execute()
      const { value } = await table.selectFrom('sequences').select('value').where('name', '=', name).executeTakeFirstOrThrow()
      return Number(value)
    })
}

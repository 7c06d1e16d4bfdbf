import { addSequence, type Migrations } from '@ecommerce/platform'
import type { Kysely } from 'kysely'

export interface Tables {
  users: UserRow
}

export interface UserRow {
  /** PostgreSQL gives what is BIGINT as text. */
  readonly id: number | string
  readonly name: string
  readonly email: string
  readonly version: number
  readonly created_at: string
  readonly updated_at: string
}

export const migrations: Migrations = {
  '0001_users': {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable('users')
        .addColumn('id', 'bigint', (column) => column.primaryKey())
        .addColumn('name', 'varchar(200)', (column) => column.notNull())
        .addColumn('email', 'varchar(254)', (column) => column.notNull().unique())
        .addColumn('version', 'integer', (column) => column.notNull())
        .addColumn('created_at', 'varchar(24)', (column) => column.notNull())
        .addColumn('updated_at', 'varchar(24)', (column) => column.notNull())
        .execute()
      await addSequence(db, 'users')
    },
  },
}

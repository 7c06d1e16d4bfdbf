import type { Migrations } from '@ecommerce/platform'
import type { Kysely } from 'kysely'

export interface Tables {
  shipments: { readonly order_id: number | string; readonly status: 'WAITING' | 'SHIPPED'; readonly updated_at: string }
}

export const migrations: Migrations = {
  '0001_shipments': {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable('shipments')
        .addColumn('order_id', 'bigint', (column) => column.primaryKey())
        .addColumn('status', 'varchar(10)', (column) => column.notNull())
        .addColumn('updated_at', 'varchar(24)', (column) => column.notNull())
        .execute()
    },
  },
}

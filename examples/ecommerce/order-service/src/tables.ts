import type { CancelReason, OrderStatus } from '@ecommerce/contracts'
import { addSequence, type Migrations } from '@ecommerce/platform'
import type { Kysely } from 'kysely'

/** PostgreSQL gives what is BIGINT as text. */
type Big = number | string

export interface Tables {
  orders: OrderRow
  order_products: OrderProductRow
  customers: { user_id: Big }
}

export interface OrderRow {
  readonly id: Big
  readonly user_id: Big
  readonly status: OrderStatus
  readonly reason: CancelReason | null
  /** Cents. Null until product-service has said what it costs. */
  readonly total: Big | null
  readonly created_at: string
  readonly updated_at: string
}

export interface OrderProductRow {
  readonly order_id: Big
  readonly product_id: Big
  readonly quantity: number
  /** Cents, at the time of the reservation. */
  readonly price: Big | null
}

export const migrations: Migrations = {
  '0001_orders': {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable('orders')
        .addColumn('id', 'bigint', (column) => column.primaryKey())
        .addColumn('user_id', 'bigint', (column) => column.notNull())
        .addColumn('status', 'varchar(10)', (column) => column.notNull())
        .addColumn('reason', 'varchar(20)')
        .addColumn('total', 'bigint')
        .addColumn('created_at', 'varchar(24)', (column) => column.notNull())
        .addColumn('updated_at', 'varchar(24)', (column) => column.notNull())
        .execute()
      await db.schema.createIndex('orders_of_user').on('orders').columns(['user_id', 'id']).execute()
      await db.schema
        .createTable('order_products')
        .addColumn('order_id', 'bigint', (column) => column.notNull())
        .addColumn('product_id', 'bigint', (column) => column.notNull())
        .addColumn('quantity', 'integer', (column) => column.notNull())
        .addColumn('price', 'bigint')
        .addPrimaryKeyConstraint('order_products_key', ['order_id', 'product_id'])
        .execute()
      await addSequence(db, 'orders')
    },
  },
  '0002_customers': {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable('customers')
        .addColumn('user_id', 'bigint', (column) => column.primaryKey())
        .execute()
    },
  },
}

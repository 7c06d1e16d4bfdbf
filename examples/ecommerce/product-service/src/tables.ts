import { addSequence, type Migrations } from '@ecommerce/platform'
import { type Kysely, sql } from 'kysely'
import type { ReservationStatus } from './command/domain/reservation.ts'

/** PostgreSQL gives what is BIGINT as text. */
type Big = number | string

export interface Tables {
  products: ProductRow
  reservations: ReservationRow
  reserved_products: ReservedProductRow
}

export interface ProductRow {
  readonly id: Big
  readonly name: string
  /** Cents. */
  readonly price: Big
  /** The number of pieces that can be sold: neither reserved nor sold. */
  readonly stock: Big
  readonly version: number
  readonly created_at: string
  readonly updated_at: string
}

export interface ReservationRow {
  readonly order_id: Big
  readonly status: ReservationStatus
  readonly updated_at: string
}

export interface ReservedProductRow {
  readonly order_id: Big
  readonly product_id: Big
  readonly quantity: number
}

export const migrations: Migrations = {
  '0001_products': {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable('products')
        .addColumn('id', 'bigint', (column) => column.primaryKey())
        .addColumn('name', 'varchar(200)', (column) => column.notNull())
        .addColumn('price', 'bigint', (column) => column.notNull())
        .addColumn('stock', 'bigint', (column) => column.notNull())
        .addColumn('version', 'integer', (column) => column.notNull())
        .addColumn('created_at', 'varchar(24)', (column) => column.notNull())
        .addColumn('updated_at', 'varchar(24)', (column) => column.notNull())
        .addCheckConstraint('stock_is_never_negative', sql`stock >= 0`)
        .execute()
      await addSequence(db, 'products')
    },
  },
  '0002_reservations': {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable('reservations')
        .addColumn('order_id', 'bigint', (column) => column.primaryKey())
        .addColumn('status', 'varchar(10)', (column) => column.notNull())
        .addColumn('updated_at', 'varchar(24)', (column) => column.notNull())
        .execute()
      await db.schema
        .createTable('reserved_products')
        .addColumn('order_id', 'bigint', (column) => column.notNull())
        .addColumn('product_id', 'bigint', (column) => column.notNull())
        .addColumn('quantity', 'integer', (column) => column.notNull())
        .addPrimaryKeyConstraint('reserved_products_key', ['order_id', 'product_id'])
        .execute()
    },
  },
}

import { createMessaging } from '@corebus/core'
import { modelRoutes, type Repository } from '@corebus/hono'
import { drizzleSession, kyselySession, refusalOf, sqlRepository } from '@corebus/sql'
import { drizzle } from 'drizzle-orm/node-postgres'
import type { Hono } from 'hono'
import { type Generated, Kysely, PostgresDialect, sql, type Transaction } from 'kysely'
import pg from 'pg'
import { z } from 'zod'

interface Order {
  readonly id: number
  readonly status: string
  readonly total: number
}
interface Tables {
  readonly orders: Omit<Order, 'id'> & { readonly id: Generated<number> }
}
const NewOrder = z.object({ status: z.string(), total: z.int() })

/** The routes over one library, and its end. */
interface Routes {
  readonly app: Pick<Hono, 'request'>
  close(): Promise<unknown>
}

export function overKysely(url: string): Routes {
  // #region kysely
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: url }) }) })
  const messaging = createMessaging({ service: 'orders-api', session: kyselySession(db) })

  const orders = sqlRepository<Order>({ table: 'orders', columns: { id: 'integer', status: 'text', total: 'number' } })
  const app = modelRoutes({ repository: orders, schema: NewOrder, filters: ['status'], sorts: ['status', 'total'], messaging })
  // #endregion kysely
  return { app, close: () => Promise.all([messaging.close(), db.destroy()]) }
}

export function overDrizzle(url: string): Routes {
  // #region drizzle
  const db = drizzle({ connection: { connectionString: url } })
  const messaging = createMessaging({ service: 'orders-api', session: drizzleSession(db) })

  const orders = sqlRepository<Order>({ table: 'orders', columns: { id: 'integer', status: 'text', total: 'number' } })
  const app = modelRoutes({ repository: orders, schema: NewOrder, filters: ['status'], sorts: ['status', 'total'], messaging })
  // #endregion drizzle
  return { app, close: () => Promise.all([messaging.close(), db.$client.end()]) }
}

// #region own
type Tx = Transaction<Tables>
const wholeIn = (text: string): number | undefined => (/^\d{1,9}$/.test(text) ? Number(text) : undefined)
const withId = <T>(id: string, work: (id: number) => Promise<T>): Promise<T | undefined> => {
  const number = wholeIn(id)
  return number === undefined ? Promise.resolve(undefined) : work(number)
}

/** Written with Kysely's own builder: it may join, and read what it likes. */
export const orders: Repository<Order, z.infer<typeof NewOrder>, Tx> = {
  key: 'id',
  columns: { id: { parse: wholeIn }, total: { parse: wholeIn }, status: { parse: (text) => text } },
  async list(db, { where, order, after, limit }) {
    let query = db.selectFrom('orders').selectAll().limit(limit)
    for (const { column, anyOf } of where) query = query.where(sql.ref(column), 'in', anyOf)
    for (const { column, descending } of order) query = query.orderBy(sql.ref(column), descending ? 'desc' : 'asc')
    if (!after) return query.execute()
    // The first columns are the same and the next one is further on: for each of them.
    const behind = order.map(({ column, descending }, n) => {
      const same = order.slice(0, n).map((one, m) => sql<boolean>`${sql.ref(one.column)} = ${after[m]}`)
      return sql<boolean>`(${sql.join([...same, sql`${sql.ref(column)} ${sql.raw(descending ? '<' : '>')} ${after[n]}`], sql` and `)})`
    })
    return query.where(sql<boolean>`(${sql.join(behind, sql` or `)})`).execute()
  },
  find: (db, id) => withId(id, (key) => db.selectFrom('orders').selectAll().where('id', '=', key).executeTakeFirst()),
  insert: (db, data) => db.insertInto('orders').values(data).returningAll().executeTakeFirstOrThrow(),
  update: (db, id, changes) =>
    Object.keys(changes).length === 0
      ? orders.find(db, id)
      : withId(id, (key) => db.updateTable('orders').set(changes).where('id', '=', key).returningAll().executeTakeFirst()),
  remove: (db, id) => withId(id, (key) => db.deleteFrom('orders').where('id', '=', key).returningAll().executeTakeFirst()),
  refusal: refusalOf,
}
// #endregion own

export function overOwn(url: string): Routes {
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: url }) }) })
  const messaging = createMessaging({ service: 'orders-api', session: kyselySession(db) })
  const app = modelRoutes({
    repository: orders,
    schema: NewOrder,
    filters: ['status'],
    sorts: ['status', 'total'],
    messaging,
  })
  return { app, close: () => Promise.all([messaging.close(), db.destroy()]) }
}

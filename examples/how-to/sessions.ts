import type { DatabaseSync } from 'node:sqlite'
import {
  type Messaging as AnyMessaging,
  consumer,
  createMessaging,
  type HandlerContext,
  messageHandler,
  onEvent,
  type Sessions,
} from '@corebus/core'
import { type ActionContext, action, ViewSet } from '@corebus/hono'
import { sqliteSession } from '@corebus/sql'
import type { Context } from 'hono'
import { Charge, OrderShipped } from './events.ts'

type Messaging = AnyMessaging<{ db: DatabaseSync }>

/** A supplier over HTTP, which may take its time. */
export interface Gateway {
  charge(charge: Charge, options: { readonly key: string; readonly signal: AbortSignal }): Promise<void>
  refund(orderId: number): Promise<void>
}

/** What Kysely has, and the others under some name. */
export interface Queries {
  transaction(): {
    execute<T>(work: (db: Queries) => Promise<T>): Promise<T>
    setAccessMode(mode: 'read only'): { execute<T>(work: (db: Queries) => Promise<T>): Promise<T> }
  }
}

export function sessionsOver(db: Queries): Sessions<Queries> {
  // #region twin
  return {
    write: (work) => db.transaction().execute(work),
    read: (work) => db.transaction().setAccessMode('read only').execute(work), // or the plain connection: (work) => work(db)
  }
  // #endregion twin
}

export function messagingOver(database: DatabaseSync): Messaging {
  // #region configured
  return createMessaging<{ db: DatabaseSync }>({ broker: 'memory', service: 'orders-api', session: sqliteSession(database) })
  // #endregion configured
}

export async function place(messaging: Messaging, orderId: number): Promise<void> {
  // #region block
  await messaging.session(async (db) => {
    db.prepare('INSERT INTO payments (order_id) VALUES (?)').run(orderId)
    messaging.emit(OrderShipped, { order_id: orderId, at: new Date() })
  })
  // #endregion block
}

export function chargeFor(messaging: Messaging, gateway: Gateway): void {
  // #region manual
  messaging.handle({ topic: 'payments.process', schema: Charge, session: 'manual' }, async (charge, { session, signal }) => {
    await gateway.charge(charge, { key: `order-${charge.order_id}`, signal })
    await session(async (db) => {
      db.prepare('INSERT INTO payments (order_id) VALUES (?) ON CONFLICT DO NOTHING').run(charge.order_id)
    })
  })
  // #endregion manual
}

// #region class
@consumer('mails', { session: false })
export class Mails {
  readonly sent: number[] = []

  @onEvent(OrderShipped)
  tell({ data }: OrderShipped): void {
    this.sent.push(data.order_id)
  }

  @messageHandler({ topic: 'payments.process', session: 'read' })
  receipt(charge: Charge, { db }: HandlerContext<DatabaseSync>): void {
    const paid = db.prepare('SELECT 1 FROM payments WHERE order_id = ?').get(charge.order_id)
    if (!paid) throw new Error(`order ${charge.order_id} is not paid yet`)
    this.sent.push(charge.order_id)
  }
}
// #endregion class

// #region routes
export class OrderViewSet extends ViewSet {
  readonly #gateway: Gateway

  constructor(gateway: Gateway) {
    super()
    this.#gateway = gateway
  }

  /** GET reads: it waits for nobody who writes. */
  @action({ path: '' })
  list(_: Context, { db }: ActionContext<DatabaseSync>) {
    return db.prepare('SELECT order_id FROM payments').all()
  }

  /** The slow call first, then a transaction that is over at once. */
  @action({ method: 'POST', detail: true, session: 'manual' })
  async refund(_: Context, { id, session }: ActionContext<DatabaseSync>) {
    await this.#gateway.refund(Number(id))
    await session(async (db) => {
      db.prepare('DELETE FROM payments WHERE order_id = ?').run(id)
    })
  }
}
// #endregion routes

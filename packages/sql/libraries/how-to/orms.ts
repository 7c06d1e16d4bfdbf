import 'reflect-metadata'
import { createMessaging } from '@corebus/core'
import { migrate, mikroOrmSession, sqlInbox, sqlOutbox, typeormSession } from '@corebus/sql'
import { EntitySchema } from '@mikro-orm/core'
import { type EntityManager as MikroManager, MikroORM } from '@mikro-orm/postgresql'
import { DataSource, type EntityManager, EntitySchema as TypeormSchema } from 'typeorm'
import { CartCheckedOut, type Example, OrderPlaced } from './events.ts'

export async function overTypeorm(url: string): Promise<Example> {
  const Order = new TypeormSchema<{ id: number }>({ name: 'orders', columns: { id: { type: 'integer', primary: true } } })
  // #region typeorm
  const dataSource = await new DataSource({ type: 'postgres', url, entities: [Order], poolSize: 20 }).initialize()

  const session = typeormSession(dataSource)
  const outbox = sqlOutbox()
  const inbox = sqlInbox()
  await migrate(session, [outbox, inbox])
  const messaging = createMessaging<{ db: EntityManager }>({ service: 'orders-api', session, outbox, inbox })

  // The row, the event and the mark that the message was handled commit together.
  messaging.on(CartCheckedOut, { group: 'orders' }, async ({ data: { id } }, { db, emit }) => {
    emit(OrderPlaced, { id })
    await db.insert(Order, { id })
  })

  // The row and the event do, wherever it is called.
  const place = (id: number) =>
    messaging.session(async (tx) => {
      messaging.emit(OrderPlaced, { id })
      await tx.insert(Order, { id })
    })

  // The same in a transaction of your own.
  const placeInMine = (id: number) =>
    dataSource.transaction(async (tx) => {
      await messaging.publishEvent(OrderPlaced, { id }, { tx })
      await tx.insert(Order, { id })
    })
  // #endregion typeorm
  return { messaging, database: session.database, place, placeInMine, close: () => dataSource.destroy() }
}

export async function overMikroOrm(url: string): Promise<Example> {
  const Order = new EntitySchema<{ id: number }>({ name: 'orders', properties: { id: { type: 'number', primary: true } } })
  // #region mikro-orm
  const orm = await MikroORM.init({ clientUrl: url, entities: [Order], pool: { max: 20 } })

  const session = mikroOrmSession(orm)
  const outbox = sqlOutbox()
  const inbox = sqlInbox()
  await migrate(session, [outbox, inbox])
  const messaging = createMessaging<{ db: MikroManager }>({ service: 'orders-api', session, outbox, inbox })

  // The row, the event and the mark that the message was handled commit together.
  messaging.on(CartCheckedOut, { group: 'orders' }, async ({ data: { id } }, { db, emit }) => {
    emit(OrderPlaced, { id })
    db.persist(db.create(Order, { id })) // flushed before the commit
  })

  // The row and the event do, wherever it is called.
  const place = (id: number) =>
    messaging.session(async (tx) => {
      messaging.emit(OrderPlaced, { id })
      tx.persist(tx.create(Order, { id }))
    })

  // The same in a transaction of your own.
  const placeInMine = (id: number) =>
    orm.em.fork().transactional(async (tx) => {
      await messaging.publishEvent(OrderPlaced, { id }, { tx })
      tx.persist(tx.create(Order, { id }))
    })
  // #endregion mikro-orm
  return { messaging, database: session.database, place, placeInMine, close: () => orm.close() }
}

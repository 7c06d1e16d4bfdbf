import { createMessaging, type Messaging } from '@corebus/core'
import { serialised } from '@corebus/sql'

/** What Kysely, Knex, Drizzle and TypeORM all have under some name. */
export interface DataSource {
  transaction<T>(work: (manager: EntityManager) => Promise<T>): Promise<T>
}
export interface EntityManager {
  save(row: object): Promise<void>
}

export function messagingOver(dataSource: DataSource): Messaging<{ db: EntityManager }> {
  // #region session
  return createMessaging<{ db: EntityManager }>({
    broker: 'memory',
    service: 'orders-api',
    session: serialised('orders.db', (work) => dataSource.transaction(work)),
  })
  // #endregion session
}

import type { DatabaseSync } from 'node:sqlite'
import { consumer, type HandlerContext, onEvent } from '@corebus/core'
import { UserCreated } from '../events.ts'

@consumer('order-service')
export class OrderEvents {
  @onEvent(UserCreated)
  welcome({ data }: UserCreated, { db, logger }: HandlerContext<DatabaseSync>): void {
    db.prepare(`INSERT INTO orders (user_id, kind, total) VALUES (?, 'welcome', 0) ON CONFLICT DO NOTHING`).run(data.id)
    logger.info(`welcome order for ${data.email}`)
  }
}

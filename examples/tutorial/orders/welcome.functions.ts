import { UserCreated } from '../events.ts'
import { messaging } from './messaging.ts'

messaging.on(UserCreated, { group: 'order-service' }, ({ data }, { db, logger }) => {
  db.prepare(`INSERT INTO orders (user_id, kind, total) VALUES (?, 'welcome', 0) ON CONFLICT DO NOTHING`).run(data.id)
  logger.info(`welcome order for ${data.email}`)
})

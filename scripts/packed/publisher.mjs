import { createMessaging } from '@corebus/core'

const messaging = createMessaging({ broker: 'sqlite', service: 'publisher' })
await messaging.publishEvent('user.created', { id: 1, email: 'hello@example.com' }, { topic: 'user-events', key: 1 })
await messaging.close()

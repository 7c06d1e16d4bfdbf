// #region all
import { createMessaging, defineEvent } from '@corebus/core'
import { z } from 'zod'

const messaging = createMessaging({ service: 'mailer' })
const UserCreated = defineEvent('user.created', z.object({ id: z.number(), email: z.email() }), { topic: 'user-events', key: 'id' })

messaging.on(UserCreated, { group: 'welcome' }, ({ data }) => console.log(`welcome, ${data.email}`))

await messaging.start()
await messaging.publishEvent(UserCreated, { id: 1, email: 'ana@example.com' })
// #endregion all

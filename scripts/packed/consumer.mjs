import { closeOnSignal, createMessaging, defineEvent } from '@corebus/core'
import { z } from 'zod'

const UserCreated = defineEvent('user.created', z.object({ id: z.number(), email: z.email() }), { topic: 'user-events', key: 'id' })
const messaging = createMessaging({ broker: 'sqlite', service: 'stranger' })
messaging.on(UserCreated, { group: 'mailer' }, ({ data }) => console.log(`handled ${data.email}`))
await messaging.start()
closeOnSignal({ close: (done) => done() }, messaging)
console.log('ready')

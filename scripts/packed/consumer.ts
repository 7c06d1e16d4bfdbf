// Types and nothing else that Node would have to transform: Node 26 strips them.
import { closeOnSignal, createMessaging, defineEvent, type EventOf } from '@corebus/core'
import { z } from 'zod'

const UserCreated = defineEvent('user.created', z.object({ id: z.number(), email: z.email() }), { topic: 'user-events', key: 'id' })
type UserCreated = EventOf<typeof UserCreated>

const greet = ({ data }: UserCreated): void => console.log(`handled ${data.email}`)

const messaging = createMessaging({ broker: 'sqlite', service: 'stranger' })
messaging.on(UserCreated, { group: 'mailer' }, greet)
await messaging.start()
closeOnSignal({ close: (done?: () => void) => done?.() }, messaging)
console.log('ready')

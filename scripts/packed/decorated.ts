import { closeOnSignal, configureMessaging, consumer, defineEvent, type EventOf, type HandlerContext, onEvent } from '@corebus/core'
import { requestScope } from '@corebus/hono'
import { sqliteSession } from '@corebus/sql'
import { Hono } from 'hono'
import { z } from 'zod'

const UserCreated = defineEvent('user.created', z.object({ id: z.number(), email: z.email() }), { topic: 'user-events', key: 'id' })
type UserCreated = EventOf<typeof UserCreated>

const messaging = configureMessaging<{ db: undefined }>({ broker: 'sqlite', service: 'stranger' })

@consumer('mailer', { topics: ['user-events'] })
export class Mailer {
  @onEvent(UserCreated, { maxRetries: 3, retryDelayMs: 1_000 })
  async welcome({ data }: UserCreated, { attempt }: HandlerContext<undefined>): Promise<void> {
    if (attempt === 1) console.log(`handled ${data.email}`)
  }
}

// The other packages load beside it, and their types fit.
export const app = new Hono().use(requestScope(messaging))
export const session = sqliteSession

await messaging.start()
closeOnSignal({ close: (done) => done?.() }, messaging)
console.log('ready')

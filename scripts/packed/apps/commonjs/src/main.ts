import { configureMessaging, consumer, defineEvent, type EventOf, type HandlerContext, on, onEvent, publishEvent } from '@corebus/core'
import { sqliteSession } from '@corebus/sql'
import { z } from 'zod'

const UserCreated = defineEvent('user.created', z.object({ id: z.number() }), { topic: 'users', key: 'id' })
type UserCreated = EventOf<typeof UserCreated>

const messaging = configureMessaging({ broker: 'memory', service: 'shop' })
const handled: string[] = []

on(UserCreated, { group: 'functions' }, ({ data }) => {
  handled.push(`function ${data.id}`)
})

@consumer('classes')
export class Mailer {
  @onEvent(UserCreated)
  welcome({ data }: UserCreated, { attempt }: HandlerContext): void {
    handled.push(`class ${data.id} ${attempt}`)
  }
}

async function main(): Promise<void> {
  await messaging.start()
  await publishEvent(UserCreated, { id: 7 })
  while (handled.length < 2) await new Promise((resolve) => setTimeout(resolve, 5))
  await messaging.close()
  console.log(handled.sort().join(), typeof sqliteSession, typeof require)
}
void main()

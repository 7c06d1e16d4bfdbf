import { consumer, defineEvent, type EventOf, messageHandler, onEvent } from '@corebus/core'
import { z } from 'zod'

// Of its own for each run on a broker that others use too.
const { TOPIC = 'users' } = process.env

export const UserCreated = defineEvent('user.created', z.object({ id: z.number() }), { topic: TOPIC, key: 'id' })

/** What was handled, for who runs it in this process. */
export const handled: string[] = []

@consumer(`welcome-${TOPIC}`)
export class Welcome {
  @onEvent(UserCreated, { maxRetries: 1, retryDelayMs: 100 })
  send({ data }: EventOf<typeof UserCreated>, { attempt }: { attempt: number }): void {
    if (attempt === 1) throw new Error('tried again')
    handled.push(`class ${data.id}`)
    console.log(`handled ${data.id} by a class`)
  }
}

messageHandler({ topic: TOPIC, group: `audit-${TOPIC}` }, (message: { data: { id: number } }) => {
  handled.push(`function ${message.data.id}`)
  console.log(`handled ${message.data.id} by a function`)
})

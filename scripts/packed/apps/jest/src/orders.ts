import { consumer, defineEvent, type EventOf, type HandlerContext, onEvent } from '@corebus/core'
import { z } from 'zod'

export const UserCreated = defineEvent('user.created', z.object({ id: z.number() }), { topic: 'users', key: 'id' })

@consumer('orders')
export class Orders {
  readonly welcomed: number[] = []

  @onEvent(UserCreated, { maxRetries: 1, retryDelayMs: 60_000 })
  welcome({ data }: EventOf<typeof UserCreated>, { attempt }: HandlerContext): void {
    if (attempt === 1) throw new Error('not yet')
    this.welcomed.push(data.id)
  }
}

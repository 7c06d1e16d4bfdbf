import { defineEvent, type EventOf } from '@corebus/core'
import { z } from 'zod'

export const UserCreated = defineEvent('user.created', z.object({ id: z.number(), email: z.email() }), { topic: 'user-events', key: 'id' })
export type UserCreated = EventOf<typeof UserCreated>

/** A command, not an event: whoever sends it wants something done. */
export const ProcessPayment = z.object({ order_id: z.number(), amount: z.number() })
export type ProcessPayment = z.infer<typeof ProcessPayment>

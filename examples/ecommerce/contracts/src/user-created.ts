import { defineEvent, type EventOf } from '@corebus/core'
import { z } from 'zod'
import { Id } from './id.ts'

/** Published by user-service. `version` begins at 1 and grows with every change, so that a reader keeps the newest whatever comes first. */
export const UserCreated = defineEvent(
  'user.created',
  z.object({ id: Id, name: z.string(), email: z.string(), version: z.int(), created_at: z.iso.datetime() }),
  { topic: 'user.created', key: 'id' },
)
export type UserCreated = EventOf<typeof UserCreated>

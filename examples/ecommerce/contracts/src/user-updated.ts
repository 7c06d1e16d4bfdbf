import { defineEvent, type EventOf } from '@corebus/core'
import { z } from 'zod'
import { Id } from './id.ts'

/** Published by user-service, with the whole user. */
export const UserUpdated = defineEvent(
  'user.updated',
  z.object({ id: Id, name: z.string(), email: z.string(), version: z.int(), updated_at: z.iso.datetime() }),
  { topic: 'user.updated', key: 'id' },
)
export type UserUpdated = EventOf<typeof UserUpdated>

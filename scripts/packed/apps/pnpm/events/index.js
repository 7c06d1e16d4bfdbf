import { defineEvent } from '@corebus/core/events'
import { z } from 'zod'

export const UserCreated = defineEvent('user.created', z.object({ id: z.number() }), { topic: 'users', key: 'id' })

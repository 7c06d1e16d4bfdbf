import { createMessaging } from '@corebus/core'
import { defineEvent, newId } from '@corebus/core/events'
import { type ActionContext, requestScope } from '@corebus/hono'
import { sqliteSession } from '@corebus/sql'
import { z } from 'zod'

const UserCreated = defineEvent('user.created', z.object({ id: z.number() }), { topic: 't' })
const messaging = createMessaging({ broker: 'memory', service: 's' })
messaging.on(UserCreated, { group: 'g' }, ({ data }) => console.log(data.id.toFixed(), newId()))
// @ts-expect-error: its data has no name
messaging.on(UserCreated, { group: 'g' }, ({ data }) => data.name)

export const used: readonly unknown[] = [requestScope(messaging), sqliteSession, (context: ActionContext): string => context.id]

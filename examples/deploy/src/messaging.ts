import { configureMessaging, defineEvent } from '@corebus/core'
import { z } from 'zod'

export const messaging = configureMessaging({ service: 'orders' })
export const OrderPlaced = defineEvent('order.placed', z.object({ id: z.number() }), { topic: 'orders', key: 'id' })

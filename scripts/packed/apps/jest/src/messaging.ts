import { configureMessaging } from '@corebus/core'
import './orders'

export const messaging = configureMessaging({ broker: 'sqlite', url: 'messages.db', service: 'shop' })

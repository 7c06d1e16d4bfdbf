// The entry of `npx corebus consumer`: it only registers handlers.
import { on } from '@corebus/core'
import { messaging, OrderPlaced } from './messaging.ts'

on(OrderPlaced, { group: 'orders-mail' }, ({ data }) => messaging.logger.info({ order: data.id }, 'a mail is sent'))

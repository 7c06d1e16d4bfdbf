import { configureMessaging } from '@corebus/core'
import { eventLine, messagingOptions } from '@ecommerce/platform'
import type { Transaction } from 'kysely'
import { database, settings } from './database.ts'
import type { Tables } from './tables.ts'

export type Db = Transaction<Tables>
export const messaging = configureMessaging<{ db: Db }>(await messagingOptions(settings, database))
messaging.use({ handle: eventLine })

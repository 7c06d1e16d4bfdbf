import { configureMessaging } from '@corebus/core'
import { eventLine, messagingOptions } from '@ecommerce/platform'
import type { Transaction } from 'kysely'
import { database, documents, settings } from './database.ts'

export type Db = Transaction<object>
export const messaging = configureMessaging<{ db: Db }>(await messagingOptions(settings, { ...database, close }))
messaging.use({ handle: eventLine })

async function close(): Promise<void> {
  await Promise.all([database.close(), documents?.close()])
}

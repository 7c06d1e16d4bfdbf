import { exponential, type MessagingOptions } from '@corebus/core'
import { migrate, sqlInbox, sqlOutbox } from '@corebus/sql'
import type { Transaction } from 'kysely'
import type { WriteDatabase } from './database/write-database.ts'
import type { Settings } from './settings/settings.ts'

/** 1, 2, 4, 8 and 16 s, then `<topic>.dlq`. */
const RETRIES = { maxRetries: 5, backoff: exponential({ firstMs: 1_000, maxMs: 16_000 }), deadLetter: { name: '{topic}.dlq' } } as const

/** Returns what every service configures: rows and events in one transaction, messages handled once, the seed's retries. Makes missing tables. */
export async function messagingOptions<Tables>(
  settings: Settings,
  { session, close }: WriteDatabase<Tables>,
): Promise<MessagingOptions<Transaction<Tables>>> {
  const outbox = sqlOutbox()
  const inbox = sqlInbox()
  await migrate(session, [outbox, inbox])
  return { ...RETRIES, service: settings.service, env: settings.messagingEnv, session, outbox, inbox, onClose: close }
}

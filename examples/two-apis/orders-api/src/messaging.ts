import type { DatabaseSync } from 'node:sqlite'
import { configureMessaging } from '@corebus/core'
import { sqliteSession } from '@corebus/sql'
import { database } from './database.ts'

/** The broker is the environment's choice: MESSAGING_BROKER and its address, else the embedded file. */
export const messaging = configureMessaging<{ db: DatabaseSync }>({ service: 'orders-api', session: sqliteSession(database) })

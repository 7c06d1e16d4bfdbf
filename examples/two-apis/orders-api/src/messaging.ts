import type { DatabaseSync } from 'node:sqlite'
import { configureMessaging } from '@corebus/core'
import { migrate, sqlInbox, sqliteSession, sqlOutbox } from '@corebus/sql'
import { database } from './database.ts'

const session = sqliteSession(database)
const outbox = sqlOutbox()
const inbox = sqlInbox()

/** Ends of a process in a row after which its message is given up. More than the usual 5 are for a test that kills processes which did nothing wrong. */
const crashLimit = Number(process.env.CRASH_LIMIT ?? 5)

// The tables of both are made where they are missing. The server and the consumer may do that at the same time.
await migrate(session, [outbox, inbox])

/** The broker is the environment's choice: MESSAGING_BROKER and its address, else the embedded file. */
export const messaging = configureMessaging<{ db: DatabaseSync }>({ service: 'orders-api', session, outbox, inbox, crashLimit })

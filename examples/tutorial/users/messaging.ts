import { DatabaseSync } from 'node:sqlite'
import { configureMessaging } from '@corebus/core'
import { sqliteSession } from '@corebus/sql'

const database = new DatabaseSync('users.db', { timeout: 5_000 })
database.exec('PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE)')

export const messaging = configureMessaging<{ db: DatabaseSync }>({ service: 'users-api', session: sqliteSession(database) })

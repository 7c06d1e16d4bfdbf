import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'

const file = process.env.USERS_DB ?? fileURLToPath(new URL('../../../../.core/users.db', import.meta.url))
mkdirSync(dirname(file), { recursive: true })

/** This service's own file. Its server and its consumer are two processes that share it. */
export const database = new DatabaseSync(file, { timeout: 5_000 })

// Who reads does not wait for who writes.
database.exec('PRAGMA journal_mode = WAL')
database.exec(`
  BEGIN IMMEDIATE;
  CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    password TEXT NOT NULL,
    orders_count INTEGER NOT NULL DEFAULT 0,
    payments_count INTEGER NOT NULL DEFAULT 0
  );
  COMMIT;
`)

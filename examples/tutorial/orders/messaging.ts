import { DatabaseSync } from 'node:sqlite'
import { configureMessaging } from '@corebus/core'
import { sqliteSession } from '@corebus/sql'

const database = new DatabaseSync('orders.db', { timeout: 5_000 })
database.exec(`
  PRAGMA journal_mode = WAL;
  CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    total REAL NOT NULL,
    status TEXT NOT NULL DEFAULT 'open'
  );
  CREATE UNIQUE INDEX IF NOT EXISTS one_welcome_order ON orders (user_id) WHERE kind = 'welcome';
`)

export const messaging = configureMessaging<{ db: DatabaseSync }>({ service: 'orders-api', session: sqliteSession(database) })

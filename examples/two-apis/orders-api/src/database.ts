import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'

const file = process.env.ORDERS_DB ?? fileURLToPath(new URL('../../../../.core/orders.db', import.meta.url))
mkdirSync(dirname(file), { recursive: true })

/** This service's own file. Its server and its consumer are two processes that share it. */
export const database = new DatabaseSync(file, { timeout: 5_000 })

// Who reads does not wait for who writes.
database.exec('PRAGMA journal_mode = WAL')
database.exec(`
  BEGIN IMMEDIATE;
  CREATE TABLE IF NOT EXISTS customers (
    id INTEGER PRIMARY KEY,
    email TEXT NOT NULL,
    as_of TEXT NOT NULL
  );
  CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL,
    kind TEXT NOT NULL DEFAULT 'order',
    total REAL NOT NULL,
    items_count INTEGER NOT NULL,
    status TEXT NOT NULL DEFAULT 'open'
  );
  CREATE INDEX IF NOT EXISTS orders_of_user ON orders (user_id);
  CREATE TABLE IF NOT EXISTS payments (
    order_id INTEGER PRIMARY KEY,
    amount REAL NOT NULL
  );
  CREATE TABLE IF NOT EXISTS inventory (
    order_id INTEGER PRIMARY KEY,
    items_count INTEGER NOT NULL,
    state TEXT NOT NULL
  );
  CREATE TABLE IF NOT EXISTS gateway (
    available INTEGER NOT NULL
  );
  INSERT INTO gateway (available) SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM gateway);
  COMMIT;
`)
